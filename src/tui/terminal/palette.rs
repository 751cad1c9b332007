//! The colours of the themes: in 24 bits, and the nearest of the 256 that terminals without them have, as far as they are as well
//! read on the same grounds.

use ratatui::style::Color;

use crate::domain::screen::ThemeName;

/// The colours of a theme that has some: in 24 bits, else of the cube and the greys of 256; the first 16 are the terminal's own.
pub const fn of(name: ThemeName, is_true: bool) -> &'static Palette {
    match (name, is_true) {
        (ThemeName::Dark | ThemeName::Mono, true) => &DARK,
        (ThemeName::Dark | ThemeName::Mono, false) => &DARK_INDEXED,
        (ThemeName::Light, true) => &LIGHT,
        (ThemeName::Light, false) => &LIGHT_INDEXED,
        (ThemeName::HighContrast, true) => &HIGH_CONTRAST,
        (ThemeName::HighContrast, false) => &HIGH_CONTRAST_INDEXED,
    }
}

/// The colour of each meaning.
pub struct Palette {
    pub text: Color,
    pub strong: Color,
    pub dim: Color,
    pub frame: Color,
    pub focus: Color,
    pub accent: Color,
    pub good: Color,
    pub warn: Color,
    pub bad: Color,
    pub running: Color,
    pub cleanup: Color,
    /// The ground of the selected row.
    pub selected: Color,
}

const DARK: Palette = Palette {
    // The terminal's own foreground: readable on its own background, and the shortest to ask for.
    text: Color::Reset,
    strong: Color::Reset,
    dim: Color::Rgb(0x96, 0x9c, 0xb5),
    frame: Color::Rgb(0x6c, 0x70, 0x86),
    focus: Color::Rgb(0x7a, 0xa8, 0xf0),
    accent: Color::Rgb(0x89, 0xb4, 0xfa),
    good: Color::Rgb(0x00, 0xb0, 0x86),
    warn: Color::Rgb(0xe6, 0xa8, 0x28),
    bad: Color::Rgb(0xf2, 0x7c, 0x52),
    running: Color::Rgb(0x56, 0xb4, 0xe9),
    cleanup: Color::Rgb(0xcc, 0x8f, 0xc0),
    selected: Color::Rgb(0x31, 0x32, 0x44),
};

const LIGHT: Palette = Palette {
    text: Color::Reset,
    strong: Color::Reset,
    dim: Color::Rgb(0x5f, 0x64, 0x75),
    frame: Color::Rgb(0xa8, 0xad, 0xba),
    focus: Color::Rgb(0x1f, 0x5f, 0xbf),
    accent: Color::Rgb(0x1f, 0x5f, 0xbf),
    good: Color::Rgb(0x00, 0x72, 0x54),
    warn: Color::Rgb(0x8c, 0x59, 0x00),
    bad: Color::Rgb(0xad, 0x3b, 0x00),
    running: Color::Rgb(0x00, 0x6a, 0xa8),
    cleanup: Color::Rgb(0x95, 0x4a, 0x7b),
    selected: Color::Rgb(0xe4, 0xe9, 0xf2),
};

const HIGH_CONTRAST: Palette = Palette {
    text: Color::Rgb(0xff, 0xff, 0xff),
    strong: Color::Rgb(0xff, 0xff, 0xff),
    dim: Color::Rgb(0xd0, 0xd0, 0xd0),
    frame: Color::Rgb(0xd0, 0xd0, 0xd0),
    focus: Color::Rgb(0x8f, 0xd0, 0xff),
    accent: Color::Rgb(0x8f, 0xd0, 0xff),
    good: Color::Rgb(0x00, 0xe0, 0xa8),
    warn: Color::Rgb(0xff, 0xc0, 0x30),
    bad: Color::Rgb(0xff, 0x80, 0x50),
    running: Color::Rgb(0x70, 0xc8, 0xff),
    cleanup: Color::Rgb(0xf0, 0xa8, 0xe0),
    selected: Color::Rgb(0x30, 0x30, 0x60),
};

const DARK_INDEXED: Palette = Palette {
    text: Color::Reset,
    strong: Color::Reset,
    dim: Color::Indexed(247),
    frame: Color::Indexed(243),
    focus: Color::Indexed(111),
    accent: Color::Indexed(111),
    good: Color::Indexed(36),
    warn: Color::Indexed(214),
    bad: Color::Indexed(209),
    running: Color::Indexed(74),
    cleanup: Color::Indexed(175),
    selected: Color::Indexed(236),
};

const LIGHT_INDEXED: Palette = Palette {
    text: Color::Reset,
    strong: Color::Reset,
    dim: Color::Indexed(241),
    frame: Color::Indexed(248),
    focus: Color::Indexed(26),
    accent: Color::Indexed(26),
    good: Color::Indexed(23),
    warn: Color::Indexed(94),
    bad: Color::Indexed(124),
    running: Color::Indexed(24),
    cleanup: Color::Indexed(90),
    selected: Color::Indexed(255),
};

const HIGH_CONTRAST_INDEXED: Palette = Palette {
    text: Color::Indexed(231),
    strong: Color::Indexed(231),
    dim: Color::Indexed(252),
    frame: Color::Indexed(252),
    focus: Color::Indexed(117),
    accent: Color::Indexed(117),
    good: Color::Indexed(43),
    warn: Color::Indexed(214),
    bad: Color::Indexed(209),
    running: Color::Indexed(81),
    cleanup: Color::Indexed(219),
    selected: Color::Indexed(17),
};
