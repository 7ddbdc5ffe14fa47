//! Promises: what must hold in every state.

/// Defines the promises of a protocol, each with its sentence.
#[macro_export]
macro_rules! promises {
    ($(#[$of:meta])* $kind:ident; $($(#[$doc:meta])* $name:ident: $text:literal,)*) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind {
            $($(#[$doc])* $name,)*
        }

        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }

        impl $crate::Promise for $kind {
            fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            fn property<S: $crate::Space<Promise = Self>>(self) -> $crate::Property<S> {
                // The checker takes a function pointer, so the promise cannot be captured.
                let condition: fn(&S, &S::State) -> bool = match self {
                    $(Self::$name => |space, state| {
                        space.broken().first(Self::$name, || space.holds(Self::$name, state))
                    },)*
                };
                $crate::Property::always($crate::Promise::name(self), condition)
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::Promise::name(*self))
            }
        }
    };
}
