mod simulation;
mod steps;
mod threads;
