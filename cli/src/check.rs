//! `cairn check`: whether everything is as it should be, and what to do where it is not. Of a cluster ([`cluster`]), of
//! one pod ([`pod`]), or of manifests before they are applied ([`files`]).

pub mod certificates;
pub mod cluster;
mod count;
pub mod dry_run;
pub mod etcd;
pub mod files;
pub mod finding;
pub mod pod;
pub mod pods;
pub mod pools;
pub mod room;
pub mod verdict;
pub mod versions;
