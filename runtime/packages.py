"""The packages that results depend on; imports none of them."""

PACKAGES = ("alexc", "torch", "torchvision", "numpy", "pillow", "simplejpeg")
