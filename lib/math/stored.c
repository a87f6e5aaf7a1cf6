#include "math/stored.h"

#include "base/cpu.h"
#include "math/stored_kernels.h"

#include <math.h>
#include <string.h>

static size_t row_bytes(const StoredMatrix *w)
{
	return w->k / w->type->elements * w->type->bytes;
}

void stored_row(const StoredMatrix *w, size_t row, float *out)
{
	quant_expand(w->type, w->data + row * row_bytes(w), w->k / w->type->elements, out);
}

/* A block of W as F32. */
enum { BLOCK_ROWS = PACKED_UNIT, BLOCK_COLUMNS = 2048 };
typedef struct {
	size_t first, count; /* rows */
	size_t k0, k;        /* columns: whole blocks of the type */
	float numbers[BLOCK_ROWS * BLOCK_COLUMNS];
} Block;

/* Fills the block; its transpose. */
static Operand expand(const StoredMatrix *w, Block *b)
{
	const QuantType *t = w->type;
	const uint8_t *data = w->data + b->k0 / t->elements * t->bytes;
	for (size_t r = 0; r < b->count; r++)
		quant_expand(t, data + (b->first + r) * row_bytes(w), b->k / t->elements,
		             b->numbers + r * b->k);
	return (Operand){b->numbers, b->k, true};
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- panels --------------------------------------------------------------- */

static size_t panel_bytes(const StoredMatrix *w)
{
	const QuantType *t = w->type;
	if (t->unpack == NULL)
		return w->k * PANEL_ROWS * t->bytes;
	return w->k / t->elements * panel_block_bytes(t->elements, t->group, t->bits, t->minima);
}

static StoredKernel *kernel_for(const QuantType *type)
{
#if defined __x86_64__
	if (cpu_has_bf16()) /* it comes with AVX-512, and with VNNI */
		return stored_kernel_avx512(type->number);
	if (cpu_path() >= CPU_AVX2)
		return stored_kernel_avx2(type->number);
#endif
	return stored_kernel_generic(type->number);
}

/* Whether products are those of math/gemm.h, and in which precision: not where its panels would have more
 * bits than the file. */
static bool packs(const QuantType *type, GemmPrecision f32, GemmPrecision *precision)
{
	*precision = type->number == QUANT_F32 ? f32 : GEMM_BF16;
	return type->unpack == NULL && (*precision == GEMM_F32 ? cpu_path() >= CPU_AVX512 : cpu_has_bf16());
}

bool stored_begin(StoredMatrix *w, GemmPrecision f32, Arena *arena, size_t *tasks, Error *e)
{
	size_t panels = (w->n + PANEL_ROWS - 1) / PANEL_ROWS;
	GemmPrecision precision;
	*tasks = 0;
	if (w->panels != NULL || w->packed.laid_out)
		return true;
	if (packs(w->type, f32, &precision)) {
		w->packed = (PackedOperand){.k = w->k, .n = w->n};
		return packed_begin(&w->packed, precision, arena, tasks, e);
	}
	w->panels = arena_new(arena, panels, panel_bytes(w), e);
	*tasks = w->panels ? panels : 0;
	return w->panels != NULL;
}

/* Puts integer `i` of the block, of row r, into the planes. */
static void put_integer(uint8_t *planes, unsigned bits, size_t i, size_t r, uint8_t q)
{
	size_t chunk = i / CHUNK, vector = i % CHUNK / 4, at = 4 * r + i % 4;
	uint8_t *p = planes + chunk * planes_bytes(bits);
	if (bits == 8) {
		p[64 * vector + at] = q;
		return;
	}
	p[64 * (vector % 4) + at] |= (uint8_t)((q & 15) << (vector < 4 ? 0 : 4));
	if (bits > 4)
		p[256 + 64 * (vector / 4) + at] |= (uint8_t)(q >> 4 << vector % 4 * 2);
}

/* Row r of a block of the panel. */
static void put_block(const QuantType *t, const QuantBlock *b, size_t r, uint8_t *out)
{
	size_t groups = t->elements > CHUNK ? t->elements / t->group : 0, parts = t->minima ? 2 : 1;
	memcpy(out + 2 * r, &b->d, 2);
	if (t->minima)
		memcpy(out + 2 * PANEL_ROWS + 2 * r, &b->least, 2);
	uint8_t *scales = out + parts * 2 * PANEL_ROWS;
	for (size_t g = 0; g < groups; g++) {
		scales[g * PANEL_ROWS + r] = (uint8_t)b->scale[g];
		if (t->minima)
			scales[(groups + g) * PANEL_ROWS + r] = (uint8_t)b->minimum[g];
	}
	for (size_t i = 0; i < t->elements; i++)
		put_integer(scales + parts * groups * PANEL_ROWS, t->bits, i, r, b->q[i]);
}

static void fill_integers(const StoredMatrix *w, const uint8_t *row, size_t r, uint8_t *panel)
{
	const QuantType *t = w->type;
	size_t step = panel_block_bytes(t->elements, t->group, t->bits, t->minima);
	QuantBlock b = {0};
	for (size_t i = 0; i < w->k / t->elements; i++) {
		t->unpack(row + i * t->bytes, &b);
		put_block(t, &b, r, panel + i * step);
	}
}

static void fill_packed(StoredMatrix *w, size_t task)
{
	Block b;
	b.first = task * BLOCK_ROWS;
	b.count = least(w->n - b.first, BLOCK_ROWS);
	for (b.k0 = 0; b.k0 < w->k; b.k0 += b.k) {
		b.k = least(w->k - b.k0, BLOCK_COLUMNS);
		packed_fill_from(&w->packed, task, b.k0, b.k, expand(w, &b));
	}
}

static void fill_panel(StoredMatrix *w, size_t task)
{
	size_t first = task * PANEL_ROWS, rows = least(w->n - first, PANEL_ROWS);
	size_t bytes = w->type->bytes;
	uint8_t *panel = w->panels + task * panel_bytes(w);
	memset(panel, 0, panel_bytes(w));
	for (size_t r = 0; r < rows; r++) {
		const uint8_t *row = w->data + (first + r) * row_bytes(w);
		if (w->type->unpack != NULL)
			fill_integers(w, row, r, panel);
		else
			for (size_t i = 0; i < w->k; i++)
				memcpy(panel + bytes * (PANEL_ROWS * i + r), row + bytes * i, bytes);
	}
}

void stored_fill(StoredMatrix *w, size_t task)
{
	if (w->packed.laid_out)
		fill_packed(w, task);
	else
		fill_panel(w, task);
}

void stored_drop(StoredMatrix *w)
{
	w->panels = NULL;
	packed_drop(&w->packed);
}

/* --- rows ----------------------------------------------------------------- */

bool stored_rows(StoredRows *r, const float *x, size_t m, size_t k, bool rounded, Arena *arena, Error *e)
{
	size_t chunks = k / CHUNK;
	*r = (StoredRows){.x = x, .m = m, .k = k};
	if (!rounded || k % CHUNK != 0)
		return true;
	r->q = arena_new(arena, m, k, e);
	r->scale = arena_new(arena, m * chunks, sizeof *r->scale, e);
	r->sums = arena_new(arena, m * chunks * CHUNK_SUMS, sizeof *r->sums, e);
	return r->q != NULL && r->scale != NULL && r->sums != NULL;
}

void stored_round(StoredRows *r, size_t first, size_t count)
{
	size_t chunks = r->k / CHUNK, at = first * chunks;
	StoredRound *round = stored_round_generic;
#if defined __x86_64__
	round = cpu_path() >= CPU_AVX512 ? stored_round_avx512
	        : cpu_path() >= CPU_AVX2 ? stored_round_avx2
	                                 : stored_round_generic;
#endif
	if (r->q != NULL)
		round(r->x + first * r->k, count * chunks, r->q + first * r->k, r->scale + at,
		      r->sums + at * CHUNK_SUMS);
}

/* --- products ------------------------------------------------------------- */

static void exact_product(const StoredMatrix *w, const StoredRows *x, size_t first, size_t count, float *y,
                          size_t ldy)
{
	Block b;
	for (size_t n = first; n < first + count; n += b.count) {
		b.first = n;
		b.count = least(first + count - n, BLOCK_ROWS);
		for (b.k0 = 0; b.k0 < w->k || b.k0 == 0; b.k0 += BLOCK_COLUMNS) {
			b.k = least(w->k - b.k0, BLOCK_COLUMNS);
			gemm(GEMM_F32, x->m, b.count, b.k, (Operand){x->x + b.k0, x->k, false}, expand(w, &b),
			     b.k0 > 0, y + n, ldy);
		}
	}
}

static void packed_product(const StoredMatrix *w, const StoredRows *x, size_t first, size_t count, float *y,
                           size_t ldy)
{
	PackedPart part = {&w->packed, 0, first, w->k, count};
	gemm_packed(w->packed.precision, x->m, (Operand){x->x, x->k, false}, part, false, y + first, ldy);
}

/* All rows of x, some at a time, for one panel or two, of which `count` columns are there: two by some rows
 * use twice what they load. */
static void panel_product(StoredKernel *kernel, const StoredMatrix *w, const StoredRows *x, size_t n,
                          size_t count, float *y, size_t ldy)
{
	float out[STORED_ROWS * STORED_PANELS * PANEL_ROWS];
	size_t chunks = x->k / CHUNK, bytes = panel_bytes(w), panels = count > PANEL_ROWS ? 2 : 1;
	bool whole = count == panels * PANEL_ROWS;
	/* Even pieces: a short last one would read the panel for little. */
	size_t pieces = (x->m + STORED_ROWS - 1) / STORED_ROWS;
	for (size_t r = 0, m; r < x->m; r += m, pieces--) {
		m = (x->m - r + pieces - 1) / pieces;
		kernel(&(StoredPart){.panel = w->panels + n / PANEL_ROWS * bytes,
		                     .panel_bytes = bytes,
		                     .panels = panels,
		                     .prefetch = r == 0,
		                     .k = x->k,
		                     .m = m,
		                     .x = x->x + r * x->k,
		                     .q = x->q ? x->q + r * x->k : NULL,
		                     .scale = x->q ? x->scale + r * chunks : NULL,
		                     .sums = x->q ? x->sums + r * chunks * CHUNK_SUMS : NULL,
		                     .y = whole ? y + r * ldy + n : out,
		                     .ldy = whole ? ldy : panels * PANEL_ROWS});
		for (size_t i = 0; !whole && i < m; i++)
			memcpy(y + (r + i) * ldy + n, out + i * panels * PANEL_ROWS, count * sizeof(float));
	}
}

void stored_product(const StoredMatrix *w, const StoredRows *x, bool exact, size_t first, size_t count,
                    float *y, size_t ldy)
{
	bool integers = w->type->unpack != NULL;
	if (w->packed.laid_out && (!exact || w->packed.precision == GEMM_F32)) {
		packed_product(w, x, first, count, y, ldy);
		return;
	}
	if (w->panels == NULL || (integers && (exact || x->q == NULL))) {
		exact_product(w, x, first, count, y, ldy);
		return;
	}
	StoredKernel *kernel = kernel_for(w->type);
	enum { COLUMNS = STORED_PANELS * PANEL_ROWS };
	for (size_t n = first; n < first + count; n += COLUMNS)
		panel_product(kernel, w, x, n, least(first + count - n, COLUMNS), y, ldy);
}
