"""The language server behind `alexc lsp`: diagnostics, hover, completion, definitions, rename and symbols for specs."""
