"""Looking into collections."""


def records_of(collection):
    """What a collection holds: the path, lines and text of each record."""
    got = collection.get(include=["metadatas", "documents"])
    return sorted(
        (metadata["path"], metadata["first_line"], metadata["last_line"], document)
        for metadata, document in zip(got["metadatas"], got["documents"], strict=True)
    )
