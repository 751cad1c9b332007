//! How the console looks, as the operator chooses it.

use super::spelled::spelled;

spelled! {
    /// When to use colours.
    #[derive(Default)]
    ColorChoice {
        /// Where the terminal can and `NO_COLOR` is not set.
        #[default]
        Auto = "auto",
        /// Always, and at least 16.
        Always = "always",
        /// Never: the monochrome theme.
        Never = "never",
    }
}

spelled! {
    /// Which palette.
    #[derive(Default)]
    ThemeName {
        /// Light text on a dark background.
        #[default]
        Dark = "dark",
        /// Dark text on a light background.
        Light = "light",
        /// Strong colours, nothing dim.
        HighContrast = "high-contrast",
        /// No colour.
        Mono = "mono",
    }
}

impl ThemeName {
    /// The name that the console shows.
    pub const fn label(self) -> &'static str {
        match self {
            Self::HighContrast => "high contrast",
            Self::Mono => "monochrome",
            other => other.as_str(),
        }
    }
}
