"""All that is about Glorot & Bengio (2010): its Table 1, its claims, its figures. Imported by ``cli`` only."""
