"""Parts of the response room: the course of a subject, disease criteria. Only `response` opens them."""
