"""The HTML page about a run, for `alexc report`. Each module makes one section."""
