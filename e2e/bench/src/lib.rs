//! What a claim costs, beside two simpler protocols.
