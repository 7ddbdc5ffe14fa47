//! Admission of `Pool` objects: refuses what could not be claimed from, and changes that would make
//! claims already held stop being unique.
