//! The program as its users meet it: the binary is run, and what it prints and leaves behind is checked.

mod answers;
mod bad_input;
mod crash;
mod given;
mod readme;
mod upkeep;
