"""Parts of the dose room: from the vein to the infusion.

Here: the way of every enrolled subject to the infused product, with its denominators. Not here: how many
cells the bags hold (`dose`), what the product does (the endpoint rooms).
"""
