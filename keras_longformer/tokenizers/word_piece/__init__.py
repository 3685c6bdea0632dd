"""BERT's WordPiece, inside the graph."""
