"""Array code underneath the primitives: definitions, fast substitutes, and the choice between them. No tensor here."""
