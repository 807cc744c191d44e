"""Parts of the pharmacodynamics room: usable samples, visits, depletion. Only `pd` opens them."""
