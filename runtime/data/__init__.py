"""The way of an image from a file to a batch.

`alexc prepare` lists the images of a source (`image_source`), decodes each once (`decode`), and writes shards of pixels
(`shards`) that become a store (`prepare`, `store`). Training maps a store into memory (`shard_pixels`, `split`), draws
a view of each image (`views`), and renders batches on threads (`batch_loader`). `synthetic_images` is the built-in data
set.
"""
