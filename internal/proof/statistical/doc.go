// Package statistical judges answers of engines that are not ours, whose bits
// nobody can reproduce: prompt and answer are scored in one pass with the
// registered weights, and each token is held against the one that the agreed
// sampler would have drawn.
//
// One answer proves nothing here. It gives a score in millionths, with a
// calibrated mean that no honest answer exceeds ([Profile]); scores feed
// internal/mechanism/eprocess. What cannot be judged is [Inconclusive] and has
// no score at all, so that nobody can take it for a clean one.
//
// Floats are used: none of this runs on the ledger.
package statistical
