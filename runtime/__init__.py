"""What a compiled network needs to run, to be trained and to be evaluated. It imports nothing of the compiler.

`layers` has the layers that torch lacks, `parallel` the exchanges between devices, `data` the way from image files to
batches, `training` the training loop, `runs` the folder of a run; `evaluation`, `reporting` and `exporting` use a
finished run, and `doctor` checks the machine.
"""
