// Package app is the ledger: a Cosmos SDK application that coordinates and
// settles, and never sits in a request's path. It joins the SDK's modules with
// koinon's own, which hold nothing but stored state; the rules of money are in
// package mechanism.
package app
