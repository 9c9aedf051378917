//! Text in plots and pages.

/// Text as XML takes it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// About how wide a text is in a sans-serif font of this size.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' => 0.26,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '-' => 0.34,
        'm' | 'w' | 'M' | 'W' => 0.82,
        'A'..='Z' => 0.68,
        _ => 0.56,
    };
    size * text.chars().map(of).sum::<f64>()
}
