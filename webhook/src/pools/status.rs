//! `status` of a `Pool`: what it should say, and writing it where it differs.
