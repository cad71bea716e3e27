"""From folders of images to stores, and from stores to batches."""
