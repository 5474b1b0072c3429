// Package trainer makes language models from text on one machine: it learns a
// byte-level BPE vocabulary, then trains a Llama-architecture decoder with
// AdamW on the reproducible kernels of package tensor. The same texts,
// settings and seed give the same weights bit for bit, on any number of
// threads, interrupted and resumed or not.
package trainer
