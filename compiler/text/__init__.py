"""The first stage: a spec as text, places in it, and what messages say about them."""
