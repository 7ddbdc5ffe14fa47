//! Kinds of something that each have a name: rules and milestones.

/// A kind that knows all of its values.
pub trait Named: Copy + Eq + 'static {
    /// All of them.
    const ALL: &'static [Self];

    /// The place in [`Named::ALL`].
    fn index(self) -> usize;
}

/// Defines an enumeration that knows all of its values and their names.
#[macro_export]
macro_rules! names {
    ($(#[$of:meta])* $kind:ident; $($(#[$doc:meta])* $name:ident,)*) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind {
            $($(#[$doc])* $name,)*
        }

        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As the command line calls it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }

        impl $crate::Named for $kind {
            const ALL: &'static [Self] = Self::ALL;

            fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
