//! Grey images on one PNG sheet.

use crate::failure::{Failure, Result};

/// Pixels of the sheet per pixel of an image.
const ZOOM: usize = 6;
/// Pixels between images.
const GAP: usize = 4;
/// Grey of the ground.
const GROUND: u8 = 96;

/// Square images in rows and columns.
pub(crate) struct Sheet {
    side: usize,
    columns: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Sheet {
    /// An empty sheet for `rows x columns` images of `side x side` pixels.
    pub(crate) fn new(side: usize, rows: usize, columns: usize) -> Self {
        let cell = side * ZOOM + GAP;
        let (width, height) = (columns * cell + GAP, rows * cell + GAP);
        Self { side, columns, width, pixels: vec![GROUND; width * height] }
    }

    /// Puts an image of values 0 to 1 into the next row's `column` of `row`; `hidden` pixels show the ground.
    pub(crate) fn put(&mut self, row: usize, column: usize, image: &[f32], hidden: Option<&[bool]>) {
        let cell = self.side * ZOOM + GAP;
        let column = column.min(self.columns - 1);
        for (i, value) in image.iter().enumerate() {
            if hidden.is_some_and(|h| h[i]) {
                continue;
            }
            let grey = (value.clamp(0.0, 1.0) * 255.0) as u8;
            let top = row * cell + GAP + i / self.side * ZOOM;
            let left = column * cell + GAP + i % self.side * ZOOM;
            for y in top..top + ZOOM {
                self.pixels[y * self.width + left..y * self.width + left + ZOOM].fill(grey);
            }
        }
    }

    /// The sheet as a PNG file's bytes.
    pub(crate) fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let height = self.pixels.len() / self.width;
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut w| w.write_image_data(&self.pixels));
        written.map_err(|e| Failure::data(format!("the picture cannot be encoded: {e}")))?;
        Ok(bytes)
    }
}
