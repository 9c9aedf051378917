//! Grey images on one PNG sheet, in blocks of rows.

use crate::failure::{Failure, Result};

/// Pixels of the sheet per pixel of an image.
const ZOOM: usize = 6;
/// Pixels between images, and more of them between blocks.
const GAP: usize = 4;
const BLOCK_GAP: usize = 16;
/// Colours of the ground and of what is hidden: no greys, so that neither passes for a pixel.
const GROUND: [u8; 3] = [236, 238, 244];
const HIDDEN: [u8; 3] = [196, 120, 112];

/// Square images in blocks, rows and columns.
pub(crate) struct Sheet {
    side: usize,
    rows: usize,
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Sheet {
    /// An empty sheet for blocks of `rows x columns` images of `side x side` pixels.
    pub(crate) fn new(side: usize, blocks: usize, rows: usize, columns: usize) -> Self {
        let cell = side * ZOOM + GAP;
        let width = columns * cell + GAP;
        let height = blocks * (rows * cell + BLOCK_GAP) - BLOCK_GAP + GAP;
        Self { side, rows, width, pixels: vec![GROUND; width * height] }
    }

    /// Puts an image of values 0 to 1 into its place, hidden pixels marked.
    pub(crate) fn put(
        &mut self,
        block: usize,
        row: usize,
        column: usize,
        image: &[f32],
        hidden: Option<&[bool]>,
    ) {
        let cell = self.side * ZOOM + GAP;
        let origin = block * (self.rows * cell + BLOCK_GAP) + row * cell + GAP;
        for (i, value) in image.iter().enumerate() {
            let grey = (value.clamp(0.0, 1.0) * 255.0) as u8;
            let colour = if hidden.is_some_and(|h| h[i]) { HIDDEN } else { [grey; 3] };
            let top = origin + i / self.side * ZOOM;
            let left = column * cell + GAP + i % self.side * ZOOM;
            for y in top..top + ZOOM {
                self.pixels[y * self.width + left..y * self.width + left + ZOOM].fill(colour);
            }
        }
    }

    /// The sheet as a PNG file's bytes.
    pub(crate) fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let height = self.pixels.len() / self.width;
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut w| w.write_image_data(self.pixels.as_flattened()));
        written.map_err(|e| Failure::data(format!("the picture cannot be encoded: {e}")))?;
        Ok(bytes)
    }
}
