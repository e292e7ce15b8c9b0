// Package bench measures what a user of Mainstay waits for and pays for, and
// prints it as one table. Every figure stands beside a yardstick that was taken
// in the same run on the same machine, so that a table from a slow machine still
// says something. README.md tells how to run it and how to read it.
package bench
