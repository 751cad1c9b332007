//! How many pixels a picture has, and how many bytes each of them takes.

/// Size of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pixels {
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

impl Pixels {
    /// Their number.
    pub fn count(self) -> f64 {
        f64::from(self.width) * f64::from(self.height)
    }
}

/// How a pixel is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Bytes of one sample: 1 up to 8 bits, else 2.
    pub bytes: f64,
    /// Samples of both chroma planes for one of luma: 0.5 for 4:2:0, 1 for 4:2:2, 2 for 4:4:4.
    pub chroma: f64,
}

impl Sampling {
    /// Reads ffmpeg's name of a pixel format; what it does not tell is 8-bit 4:2:0.
    pub fn of(format: &str) -> Self {
        let is_deep = ["9le", "9be", "10", "12", "14", "16"].iter().any(|depth| format.contains(depth));
        let chroma = if ["444", "rgb", "gbr", "bgr"].iter().any(|name| format.contains(name)) {
            2.0
        } else if ["422", "uyvy", "yuyv"].iter().any(|name| format.contains(name)) {
            1.0
        } else {
            0.5
        };
        Self { bytes: if is_deep { 2.0 } else { 1.0 }, chroma }
    }

    /// Bytes of a frame.
    pub fn frame(self, size: Pixels) -> f64 {
        size.count() * self.bytes * (1.0 + self.chroma)
    }
}
