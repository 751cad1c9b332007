//! Sizes of pictures: what a preset makes of an input's size and shape.
//!
//! Pure arithmetic; the filters and the memory model both take their sizes from here.

use super::media::VideoStream;
use super::preset::{PixelAspect, VideoPlan};

/// Most pixels on one side of an output; encoders take no more.
const LONGEST_SIDE: f64 = 16_384.0;
/// A pixel that is told to be longer than this is a mistake of the file.
const LONGEST_PIXEL: f64 = 8.0;
/// How far the shape of an output may be off before its pixels are told not to be square, as a share.
const SHAPE_SLACK: f64 = 0.008;

/// Size of a picture and shape of its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Shape of a pixel, width by height, in lowest terms.
    pub pixel_shape: (u32, u32),
}

/// The picture that a plan makes of a stream, upright: at most as long on its short side as the plan says, never larger than
/// the input is shown, even numbers, and in the input's shape.
pub fn output(plan: &VideoPlan, stream: &VideoStream) -> Picture {
    let (width, height) = (f64::from(stream.width.max(1)), f64::from(stream.height.max(1)));
    let pixel = pixel_shape(stream);
    // As it is shown: one side is stretched, none is made smaller, unless that would be too long.
    let (mut width, mut height, mut shape) = match plan.pixel_aspect {
        PixelAspect::Square if width * pixel > LONGEST_SIDE => (width, height / pixel, 1.0),
        PixelAspect::Square => (width * pixel, height, 1.0),
        PixelAspect::Keep => (width, height, pixel),
    };
    if stream.is_turned {
        (width, height, shape) = (height, width, 1.0 / shape);
    }
    let shown = (width * shape) / height;
    let short = (width * shape).min(height);
    let factor = plan.height.map_or(1.0, |limit| (f64::from(limit) / short).min(1.0));
    let (even_width, even_height) = (even(width * factor, width), even(height * factor, height));
    let is_off = |shape: f64| (f64::from(even_width) * shape / f64::from(even_height) / shown - 1.0).abs() > SHAPE_SLACK;
    if is_off(shape) {
        shape = shown * f64::from(even_height) / f64::from(even_width);
    }
    Picture { width: even_width, height: even_height, pixel_shape: fraction(shape) }
}

/// The shape of its pixels is told, and can be.
pub fn has_known_pixels(stream: &VideoStream) -> bool {
    let (across, down) = stream.pixel_shape;
    across > 0 && down > 0 && (1.0 / LONGEST_PIXEL..=LONGEST_PIXEL).contains(&(f64::from(across) / f64::from(down)))
}

/// Width of a pixel for a height of one; 1 where the file does not tell, or tells nonsense.
fn pixel_shape(stream: &VideoStream) -> f64 {
    let (across, down) = stream.pixel_shape;
    if has_known_pixels(stream) { f64::from(across) / f64::from(down) } else { 1.0 }
}

/// The nearest even number that is not over `most`, 2 at the least.
fn even(length: f64, most: f64) -> u32 {
    let even = (length.clamp(1.0, LONGEST_SIDE) / 2.0).round() * 2.0;
    // A side that was reckoned with is only nearly a whole number.
    let even = if even > most + 0.01 { even - 2.0 } else { even };
    (even as u32).max(2)
}

/// The nearest fraction of small numbers.
fn fraction(value: f64) -> (u32, u32) {
    const LARGEST: u32 = 256;
    let mut best = (1, 1);
    let mut least = f64::MAX;
    for down in 1..=LARGEST {
        let across = (value * f64::from(down)).round();
        if !(1.0..=f64::from(LARGEST)).contains(&across) {
            continue;
        }
        let off = (across / f64::from(down) / value - 1.0).abs();
        if off + 1e-9 < least {
            (best, least) = ((across as u32, down), off);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preset::VideoCodec;

    fn plan(height: Option<u32>, pixel_aspect: PixelAspect) -> VideoPlan {
        VideoPlan { height, pixel_aspect, ..VideoPlan::new(VideoCodec::X264) }
    }

    fn stream(width: u32, height: u32, pixel_shape: (u32, u32), is_turned: bool) -> VideoStream {
        VideoStream { width, height, pixel_shape, is_turned, ..VideoStream::default() }
    }

    fn made(height: u32, stream: &VideoStream) -> (u32, u32, (u32, u32)) {
        let made = output(&plan(Some(height), PixelAspect::Square), stream);
        (made.width, made.height, made.pixel_shape)
    }

    #[test]
    fn the_limit_is_meant_for_the_short_side() {
        assert_eq!(made(720, &stream(1920, 1080, (1, 1), false)), (1280, 720, (1, 1)));
        assert_eq!(made(720, &stream(1920, 1080, (1, 1), true)), (720, 1280, (1, 1)));
        assert_eq!(made(720, &stream(1080, 1920, (0, 0), false)), (720, 1280, (1, 1)));
        assert_eq!(made(720, &stream(640, 360, (1, 1), false)), (640, 360, (1, 1)));
        assert_eq!(made(720, &stream(2000, 20, (1, 1), false)), (2000, 20, (1, 1)));
    }

    #[test]
    fn pixels_become_square_by_stretching_the_picture() {
        assert_eq!(made(720, &stream(720, 576, (64, 45), false)), (1024, 576, (1, 1)));
        assert_eq!(made(720, &stream(720, 480, (8, 9), false)), (640, 480, (1, 1)));
        assert_eq!(made(720, &stream(1440, 1080, (4, 3), false)), (1280, 720, (1, 1)));
        assert_eq!(made(720, &stream(1440, 1080, (4, 3), true)), (720, 1280, (1, 1)));
    }

    #[test]
    fn pixels_that_stay_as_they_are_are_told() {
        let made = output(&plan(Some(288), PixelAspect::Keep), &stream(720, 576, (64, 45), false));
        assert_eq!((made.width, made.height, made.pixel_shape), (360, 288, (64, 45)));
    }

    #[test]
    fn a_tiny_picture_keeps_its_shape_by_the_shape_of_its_pixels() {
        assert_eq!(made(720, &stream(3, 5, (1, 1), false)), (2, 4, (6, 5)));
        assert_eq!(made(720, &stream(1, 1, (1, 1), false)), (2, 2, (1, 1)));
        assert_eq!(made(720, &stream(853, 479, (1, 1), false)), (852, 478, (1, 1)));
    }

    #[test]
    fn a_pixel_shape_that_cannot_be_is_taken_for_square() {
        assert_eq!(made(720, &stream(640, 480, (1000, 1), false)), (640, 480, (1, 1)));
    }
}
