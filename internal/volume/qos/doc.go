// Package qos decides about the quality of service of volumes: what a class may
// say, what a pool can promise, what a volume is held to, and who makes way for
// whom. Values in, values out: the package volume measures and enforces.
//
// What the package promises:
//
//   - A pool never owes more than the part of its measured envelope that may be
//     promised, and nothing before it was measured.
//   - A volume is held to its maximum, reads and writes taken together.
//   - A volume is held back below what it asks for only while another, of the
//     same pool, lacks what it was promised; and never below its own promise.
package qos
