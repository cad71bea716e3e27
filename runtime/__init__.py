"""What a compiled network needs to run, train and be tested. Imports nothing of the compiler."""
