//! `Pool` (cairn.dev/v1alpha1) as the API server has it, with its spec kept raw.
