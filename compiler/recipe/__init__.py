"""The steps of a recipe: what each statement of a `train` block may say."""
