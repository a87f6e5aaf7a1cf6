#include "llm/pieces.h"

size_t piece_rows(const Pieces *p, size_t i)
{
	return p->offsets[i + 1] - p->offsets[i] - 1;
}

static bool add_piece(Pieces *p, const int32_t *ids, size_t count, Error *e)
{
	Tokens *all = &p->tokens;
	if (!memory_grow(&p->offsets, &p->capacity, p->count + 2, sizeof *p->offsets, e) ||
	    !tokens_append(all, ids, count, e))
		return false;
	p->offsets[0] = 0;
	p->offsets[++p->count] = all->count;
	return true;
}

bool pieces_add(Pieces *p, const Tokenizer *t, Text text, size_t most, bool end, Error *e)
{
	Tokens tokens = {0};
	int32_t eos = tokenizer_model(t)->eos;
	bool done = tokenizer_encode(t, text, TOKENIZE_BOS, &tokens, e) &&
	            (!end || eos == TOKEN_NONE || tokens_append(&tokens, &eos, 1, e));
	for (size_t i = 0; done && i + 1 < tokens.count; i += most) {
		size_t left = tokens.count - i;
		done = add_piece(p, tokens.ids + i, left <= most ? left : most + 1, e);
	}
	tokens_free(&tokens);
	return done;
}

void pieces_free(Pieces *p)
{
	tokens_free(&p->tokens);
	memory_free(p->offsets);
	*p = (Pieces){0};
}

static size_t piece_at(const uint32_t *order, size_t i)
{
	return order ? order[i] : i;
}

bool pieces_pack(const Pieces *p, const uint32_t *order, size_t first, size_t count, Arena *arena,
                 PieceBatch *b, Error *e)
{
	*b = (PieceBatch){.count = count};
	for (size_t i = 0; i < count; i++)
		b->N += piece_rows(p, piece_at(order, first + i));
	b->tokens = arena_new(arena, b->N, sizeof *b->tokens, e);
	b->next = arena_new(arena, b->N, sizeof *b->next, e);
	b->positions = arena_new(arena, b->N, sizeof *b->positions, e);
	b->segments = arena_new(arena, count, sizeof *b->segments, e);
	if (b->tokens == NULL || b->next == NULL || b->positions == NULL || b->segments == NULL)
		return false;
	for (size_t i = 0, row = 0; i < count; i++) {
		size_t piece = piece_at(order, first + i), rows = piece_rows(p, piece);
		const int32_t *ids = p->tokens.ids + p->offsets[piece];
		b->segments[i] = (AttentionSegment){row, rows, row, rows, true};
		for (size_t k = 0; k < rows; k++, row++) {
			b->tokens[row] = ids[k];
			b->next[row] = ids[k + 1];
			b->positions[row] = (int32_t)k;
		}
	}
	return true;
}
