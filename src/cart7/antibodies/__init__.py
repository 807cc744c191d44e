"""Parts of immunogenicity: its rules, its results, and antibodies beside the loss of CAR-T cells."""
