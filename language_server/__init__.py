"""What an editor knows of a spec while it is typed: the server behind `alexc lsp`, and the answers that it gives."""
