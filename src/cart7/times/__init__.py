"""Parts of the survival room: histories of subjects, curves, comparisons. Only `survival` opens them."""
