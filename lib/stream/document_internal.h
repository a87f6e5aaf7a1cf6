/* The inside of a document: for what keeps it in memory, and for what makes bytes of it and it of bytes. */
#ifndef STREAM_DOCUMENT_INTERNAL_H
#define STREAM_DOCUMENT_INTERNAL_H

#include "stream/document.h"

typedef struct {
	char *key, *value;
} Metadata;

struct Document {
	Metadata *metadata;
	size_t metadata_count, metadata_capacity;
	DocumentTensor *tensors; /* names are the document's own */
	size_t count, capacity;
	void **copies; /* of tensors that were not aligned where they lay */
	size_t copy_count, copy_capacity;
	Buffer bytes; /* what a decoded document's tensors point into */
	bool mapped;  /* the bytes are a file's */
};

/* Takes over key and value, either of which may be NULL for want of memory. */
bool document_append_metadata(Document *d, char *key, char *value, Error *e);
/* Fills in t->count and t->bytes from dtype and shape; false where they are larger than memory can be. */
bool document_size_tensor(DocumentTensor *t);
/* Copies the name; the tensor's sizes are there. */
bool document_append_tensor(Document *d, DocumentTensor t, Error *e);

#endif
