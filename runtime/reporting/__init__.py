"""The page about a run: what `alexc report` writes."""
