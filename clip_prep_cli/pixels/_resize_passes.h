/* Two passes, for one instruction set. GROUP samples that enter the same sum lie side by side in
 * one 32-bit word, so that one multiply-add takes them all; LANES sums run side by side.
 *
 *   GROUP 1   int32 multiply               any processor
 *   GROUP 2   vpmaddwd on 16-bit pairs     AVX2: a weight is hi * 2^16 + lo
 *   GROUP 4   vpdpbusd on bytes            AVX-512 VNNI: a weight is three signed bytes
 *
 * The partial sums are put together modulo 2^32, which is exact, as the whole sum fits. */

#define LANES (4 * GROUP)

#if GROUP == 1
typedef int32_t NAME(Vec) __attribute__((vector_size(16)));
typedef int32_t NAME(Sample);
#define VEC NAME(Vec)
#define TARGET
#define DIGITS 1
#define MULTIPLY_ADD(sum, words, weight) ((sum) + (words) * (weight))
#elif GROUP == 2
typedef int16_t NAME(Sample);
#define VEC __m256i
#define TARGET __attribute__((target("avx2")))
#define DIGITS 2
#define MULTIPLY_ADD(sum, words, weight) \
    _mm256_add_epi32(sum, _mm256_madd_epi16(words, _mm256_set1_epi32(weight)))
#else
typedef uint8_t NAME(Sample);
#define VEC __m512i
#define TARGET __attribute__((target("avx2,avx512f,avx512bw,avx512vnni")))
#define DIGITS 3
#define MULTIPLY_ADD(sum, words, weight) \
    _mm512_dpbusd_epi32(sum, words, _mm512_set1_epi32(weight))
#endif

/* ---- Weights to digits ---------------------------------------------------------------------- */

/* Output i multiplies the groups begin[i] to end[i] (of GROUP samples, counted from w->start[0])
 * by the words digits[i * stride] ..., DIGITS of them per group. */
typedef struct {
    int *begin, *end;
    size_t stride;
    int32_t *digits;
} NAME(Packed);

static void NAME(free_packed)(NAME(Packed) *p) {
    free(p->begin);
    free(p->digits);
}

static int NAME(pack)(NAME(Packed) *p, const Weights *w) {
    const size_t n = (size_t)w->n;
    p->stride = ((size_t)w->stride / GROUP + 2) * DIGITS;
    p->begin = malloc(2 * n * sizeof *p->begin);
    p->digits = calloc(n * p->stride, sizeof *p->digits);
    if (!p->begin || !p->digits) {
        NAME(free_packed)(p);
        return -1;
    }
    p->end = p->begin + n;
    for (size_t i = 0; i < n; i++) {
        const int start = w->start[i] - w->start[0];
        p->begin[i] = start / GROUP;
        p->end[i] = (start + w->count[i] + GROUP - 1) / GROUP;
        for (int k = 0; k < w->count[i]; k++) {
            const int at = start % GROUP + k;
            const int32_t weight = w->fixed[i * (size_t)w->stride + (size_t)k];
            int32_t *word = p->digits + i * p->stride + (size_t)(at / GROUP) * DIGITS;
#if GROUP == 1
            word[0] = weight;
#elif GROUP == 2
            const int16_t low = (int16_t)weight;
            ((int16_t *)word)[at % 2] = low;
            ((int16_t *)(word + 1))[at % 2] = (int16_t)((weight - low) >> 16);
#else
            /* No weight is far above 1, so the highest digit is below 2^7. */
            const int8_t low = (int8_t)weight;
            const int8_t middle = (int8_t)((weight - low) >> 8);
            ((int8_t *)word)[at % 4] = low;
            ((int8_t *)(word + 1))[at % 4] = middle;
            ((int8_t *)(word + 2))[at % 4] = (int8_t)((weight - low - middle * 256) >> 16);
#endif
        }
    }
    return 0;
}

/* ---- Pixels to words ------------------------------------------------------------------------ */

/* words[g * 3 + c] gets, in lane l, the samples of group g, channel c of sum `first` + l. Past the
 * end of an axis the last sample stands in: its weight is 0, or its sum is not used. */
static void NAME(load_some)(const Source *s, int first, int g, int end, VEC *words) {
    for (; g < end; g++) {
        NAME(Sample) samples[3][LANES][GROUP];
        for (int lane = 0; lane < LANES; lane++) {
            const int sum = first + lane < s->sums ? first + lane : s->sums - 1;
            for (int k = 0; k < GROUP; k++) {
                const int tap = g * GROUP + k < s->taps ? g * GROUP + k : s->taps - 1;
                const uint8_t *pixel = s->pixels + sum * s->across + tap * s->along;
                for (int c = 0; c < 3; c++)
                    samples[c][lane][k] = pixel[c];
            }
        }
        memcpy(words + (size_t)g * 3, samples, sizeof samples);
    }
}

#if GROUP > 1
/* Rows a, b, c, d of (R, G, B, -) words per 128 bits, to R, G and B words of the four rows. */
#define TRANSPOSE(bits, row, out)                                                              \
    {                                                                                          \
        const VEC ab = _mm##bits##_unpacklo_epi32((row)[0], (row)[1]);                         \
        const VEC cd = _mm##bits##_unpacklo_epi32((row)[2], (row)[3]);                         \
        (out)[0] = _mm##bits##_unpacklo_epi64(ab, cd);                                         \
        (out)[1] = _mm##bits##_unpackhi_epi64(ab, cd);                                         \
        (out)[2] = _mm##bits##_unpacklo_epi64(_mm##bits##_unpackhi_epi32((row)[0], (row)[1]),  \
                                              _mm##bits##_unpackhi_epi32((row)[2], (row)[3])); \
    }

#endif

#if GROUP == 2
/* Four packed pixels a step: two groups of two pixels, for eight rows. */
TARGET static int load_fast_avx2(const Source *s, int first, VEC *words) {
    const VEC pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6,
                                       -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const int bytes = s->taps * 3;
    int g = 0;
    for (; g * 6 + 16 <= bytes; g += 2) {
        VEC row[LANES], half[2][3];
        for (int lane = 0; lane < LANES; lane++) {
            const int sum = first + lane < s->sums ? first + lane : s->sums - 1;
            const uint8_t *at = s->pixels + sum * s->across + g * 6;
            const __m128i packed = _mm_loadu_si128((const __m128i *)(const void *)at);
            row[lane] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(packed), pairs);
        }
        TRANSPOSE(256, row, half[0])
        TRANSPOSE(256, row + 4, half[1])
        for (int c = 0; c < 3; c++) {
            words[g * 3 + c] = _mm256_permute2x128_si256(half[0][c], half[1][c], 0x20);
            words[g * 3 + 3 + c] = _mm256_permute2x128_si256(half[0][c], half[1][c], 0x31);
        }
    }
    return g;
}
#elif GROUP == 4
/* Sixteen packed pixels a step: four groups of four pixels, for sixteen rows. */
TARGET static int load_fast_avx512(const Source *s, int first, VEC *words) {
    const VEC spread = _mm512_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
    const VEC planes = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    const int bytes = s->taps * 3;
    int g = 0;
    for (; g * 12 < bytes; g += 4) {
        const int left = bytes - g * 12;
        const __mmask64 mask = left >= 48 ? 0xFFFFFFFFFFFF : ((__mmask64)1 << left) - 1;
        VEC quad[4][3];
        for (int q = 0; q < 4; q++) {
            VEC row[4];
            for (int lane = 0; lane < 4; lane++) {
                const int at = first + q * 4 + lane;
                const int sum = at < s->sums ? at : s->sums - 1;
                const VEC packed =
                    _mm512_maskz_loadu_epi8(mask, s->pixels + sum * s->across + g * 12);
                row[lane] = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(spread, packed), planes);
            }
            TRANSPOSE(512, row, quad[q])
        }
        for (int c = 0; c < 3; c++) {
            const VEC ab = _mm512_shuffle_i32x4(quad[0][c], quad[1][c], 0x44);
            const VEC cd = _mm512_shuffle_i32x4(quad[2][c], quad[3][c], 0x44);
            const VEC AB = _mm512_shuffle_i32x4(quad[0][c], quad[1][c], 0xEE);
            const VEC CD = _mm512_shuffle_i32x4(quad[2][c], quad[3][c], 0xEE);
            words[(g + 0) * 3 + c] = _mm512_shuffle_i32x4(ab, cd, 0x88);
            words[(g + 1) * 3 + c] = _mm512_shuffle_i32x4(ab, cd, 0xDD);
            words[(g + 2) * 3 + c] = _mm512_shuffle_i32x4(AB, CD, 0x88);
            words[(g + 3) * 3 + c] = _mm512_shuffle_i32x4(AB, CD, 0xDD);
        }
    }
    return g;
}
#endif

TARGET static void NAME(load)(const Source *s, int first, int groups, VEC *words) {
    int g = 0;
#if GROUP > 1
    if (s->along == 3)
        g = NAME(load_fast)(s, first, words);
#endif
    NAME(load_some)(s, first, g, groups, words);
}

/* ---- Sums to samples ------------------------------------------------------------------------ */

/* The digits' sums put together, rounded and clipped to 8 bits: LANES samples in four words. */
TARGET static inline void NAME(finish)(const VEC *sum, void *words) {
#if GROUP == 1
    VEC v = (sum[0] + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS;
    v &= ~(v >> 31);
    const VEC over = v > 255;
    v = (v & ~over) | (over & 255);
    memcpy(words, &v, sizeof v);
#elif GROUP == 2
    VEC v = _mm256_add_epi32(sum[0], _mm256_slli_epi32(sum[1], 16));
    v = _mm256_add_epi32(v, _mm256_set1_epi32(1 << (PRECISION_BITS - 1)));
    v = _mm256_srai_epi32(v, PRECISION_BITS);
    __m128i w = _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storeu_si128(words, _mm_min_epi16(w, _mm_set1_epi16(255)));
#else
    VEC v = _mm512_add_epi32(sum[0], _mm512_slli_epi32(sum[1], 8));
    v = _mm512_add_epi32(v, _mm512_slli_epi32(sum[2], 16));
    v = _mm512_add_epi32(v, _mm512_set1_epi32(1 << (PRECISION_BITS - 1)));
    v = _mm512_max_epi32(_mm512_srai_epi32(v, PRECISION_BITS), _mm512_setzero_si512());
    _mm_storeu_si128(words, _mm512_cvtusepi32_epi8(v));
#endif
}

TARGET static inline VEC NAME(zero)(void) {
    VEC zero;
    memset(&zero, 0, sizeof zero);
    return zero;
}

/* out[g * pitch + k] = four[k][g]. */
TARGET static inline void NAME(store_turned)(const uint32_t four[4][4], uint32_t *out,
                                             size_t pitch) {
#if GROUP == 1
    for (size_t g = 0; g < 4; g++)
        for (size_t k = 0; k < 4; k++)
            out[g * pitch + k] = four[k][g];
#else
    __m128i row[4];
    memcpy(row, four, sizeof row);
    const __m128i ab = _mm_unpacklo_epi32(row[0], row[1]), AB = _mm_unpackhi_epi32(row[0], row[1]);
    const __m128i cd = _mm_unpacklo_epi32(row[2], row[3]), CD = _mm_unpackhi_epi32(row[2], row[3]);
    _mm_storeu_si128((void *)out, _mm_unpacklo_epi64(ab, cd));
    _mm_storeu_si128((void *)(out + pitch), _mm_unpackhi_epi64(ab, cd));
    _mm_storeu_si128((void *)(out + 2 * pitch), _mm_unpacklo_epi64(AB, CD));
    _mm_storeu_si128((void *)(out + 3 * pitch), _mm_unpackhi_epi64(AB, CD));
#endif
}

/* ---- The passes ----------------------------------------------------------------------------- */

/* sum[c] += words[c] * weights, over the groups of one output; channels are `step` apart. */
#define ACCUMULATE(p, output, at, step)                                                       \
    for (int c = 0; c < 3; c++)                                                               \
        for (int d = 0; d < DIGITS; d++)                                                      \
            sum[c][d] = NAME(zero)();                                                         \
    const int32_t *digit = (p)->digits + (size_t)(output) * (p)->stride;                      \
    for (int g = (p)->begin[output]; g < (p)->end[output]; g++, digit += DIGITS)              \
        for (int c = 0; c < 3; c++)                                                           \
            for (int d = 0; d < DIGITS; d++)                                                  \
                sum[c][d] = MULTIPLY_ADD(sum[c][d], NAME(load_words)(at, (step) * (size_t)c), \
                                         digit[d]);

TARGET static inline VEC NAME(load_words)(const void *at, size_t offset) {
    VEC words;
    memcpy(&words, (const uint32_t *)at + offset, sizeof words);
    return words;
}

/* LANES sums from `words`, for every output: middle[c][g][i] for the four groups g of these sums,
 * which are the taps of the second pass. Four outputs are stored together; the last ones may be
 * repeated into the padding. */
TARGET static void NAME(first_pass)(const NAME(Packed) *p, int n, const VEC *words,
                                    uint32_t *middle, size_t plane, size_t pitch) {
    for (int i = 0; i < n; i += 4) {
        uint32_t four[3][4][4];
        for (int k = 0; k < 4; k++) {
            VEC sum[3][DIGITS];
            const int output = i + k < n ? i + k : n - 1;
            ACCUMULATE(p, output, words + (size_t)g * 3, LANES)
            for (int c = 0; c < 3; c++)
                NAME(finish)(sum[c], four[c][k]);
        }
        for (size_t c = 0; c < 3; c++)
            NAME(store_turned)((const uint32_t(*)[4])four[c], middle + c * plane + (size_t)i,
                               pitch);
    }
}

/* bytes[c][j][i] from middle[c][g][i], for every output j; LANES of i at a time. */
TARGET static void NAME(second_pass)(const NAME(Packed) *p, int n, const uint32_t *middle,
                                     size_t plane, size_t pitch, uint8_t *bytes) {
    for (int j = 0; j < n; j++) {
        for (size_t i = 0; i < pitch; i += LANES) {
            VEC sum[3][DIGITS];
            ACCUMULATE(p, j, middle + (size_t)g * pitch + i, plane)
            for (size_t c = 0; c < 3; c++) {
                NAME(Sample) samples[LANES];
                NAME(finish)(sum[c], samples);
                uint8_t *out = bytes + (c * (size_t)n + (size_t)j) * pitch + i;
                for (int lane = 0; lane < LANES; lane++)
                    out[lane] = (uint8_t)samples[lane];
            }
        }
    }
}

/* bytes[3][n][pitch]: the second axis of it is the second pass's. */
TARGET static int NAME(resize)(const Source *s, const Weights *first, const Weights *second,
                               size_t pitch, uint8_t *bytes) {
    int status = -1;
    const int groups = (s->taps + GROUP - 1) / GROUP;
    const size_t plane = (size_t)(s->sums + LANES - 1) / LANES * 4 * pitch;
    NAME(Packed) across, along;
    /* Fast loading writes up to 3 groups more than there are. */
    VEC *words = aligned_alloc(sizeof(VEC), ((size_t)groups + 3) * 3 * sizeof(VEC));
    uint32_t *middle = malloc(3 * plane * sizeof *middle);
    if (!words || !middle)
        goto no_buffers;
    if (NAME(pack)(&along, first) < 0)
        goto no_buffers;
    if (NAME(pack)(&across, second) < 0)
        goto no_weights;
    if (pitch > (size_t)first->n)
        memset(middle, 0, 3 * plane * sizeof *middle);
    for (int sum = 0; sum < s->sums; sum += LANES) {
        NAME(load)(s, sum, groups, words);
        NAME(first_pass)(&along, first->n, words, middle + (size_t)(sum / GROUP) * pitch, plane,
                         pitch);
    }
    NAME(second_pass)(&across, second->n, middle, plane, pitch, bytes);
    status = 0;
    NAME(free_packed)(&across);
no_weights:
    NAME(free_packed)(&along);
no_buffers:
    free(middle);
    free(words);
    return status;
}

#undef LANES
#undef VEC
#undef TARGET
#undef DIGITS
#undef MULTIPLY_ADD
#undef TRANSPOSE
#undef ACCUMULATE
