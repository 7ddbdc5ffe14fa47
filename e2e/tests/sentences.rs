//! One annotation, one mountain name: what Cairn promises, as sentences, on a real cluster.
