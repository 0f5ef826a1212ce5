/* call.h - what a call site expands to; included by log.h.
 *
 * The only inline part is the level check. Each argument becomes a tag (its C type, a constant) and
 * a value (8 bytes), chosen by _Generic or, in C++, by overload. `1 ? (x) : (x)` converts as a
 * function argument would (arrays, bit-fields, enums, bool, qualifiers) and, unlike `(x) + 0`,
 * takes opaque and void pointers.
 */
#ifndef TAILRACE_CALL_H
#define TAILRACE_CALL_H

#define TLR_SITE_DEFINE(identifier, level_, count_, tags_, format_) \
    static struct tlr_site_state identifier##state_;                \
    static const struct tlr_site identifier = {                     \
        __FILE__, __func__, format_, tags_, &identifier##state_, __LINE__, level_, count_}

#define TLR_CALL(level_, category_, ...)                                                    \
    do {                                                                                    \
        struct tlr_category *const tlr_category_ = (category_);                             \
        if (tlr_category_enabled(tlr_category_, level_)) {                                  \
            static const unsigned char tlr_tags_[] = {0 TLR_EACH(TLR_TAG_OF, __VA_ARGS__)}; \
            TLR_SITE_DEFINE(tlr_site_, level_, (unsigned char)(sizeof tlr_tags_ - 1),       \
                            tlr_tags_ + 1, "" TLR_FIRST(__VA_ARGS__, 0));                   \
            TLR_CALL_VALUES(&tlr_site_, tlr_category_, __VA_ARGS__);                        \
        }                                                                                   \
        if (0) tlr_format_check(__VA_ARGS__);                                               \
    } while (0)

#ifndef __cplusplus

#define TLR_TAG_OF(x) \
    , _Generic(1 ? (x) : (x),                                                                      \
          float: TLR_TAG_DOUBLE, double: TLR_TAG_DOUBLE, long double: TLR_TAG_LONG_DOUBLE,         \
          char *: TLR_TAG_STRING, const char *: TLR_TAG_STRING, int: TLR_TAG_INTEGER,              \
          unsigned: TLR_TAG_INTEGER, long: TLR_TAG_INTEGER, unsigned long: TLR_TAG_INTEGER,        \
          long long: TLR_TAG_INTEGER, unsigned long long: TLR_TAG_INTEGER,                         \
          default: TLR_TAG_POINTER)

#define TLR_VALUE_OF(x)                                                                           \
    , _Generic(1 ? (x) : (x), float                                                               \
               : tlr_value_real, double                                                           \
               : tlr_value_real, long double                                                      \
               : tlr_value_pointer, int                                                           \
               : tlr_value_integer, unsigned                                                      \
               : tlr_value_integer, long                                                          \
               : tlr_value_integer, unsigned long                                                 \
               : tlr_value_integer, long long                                                     \
               : tlr_value_integer, unsigned long long                                            \
               : tlr_value_integer, default                                                       \
               : tlr_value_pointer)(_Generic(1 ? (x) : (x), long double                           \
                                             : &(long double){_Generic(1 ? (x) : (x), long double \
                                                                       : (x), default : 0)},      \
                                               default                                            \
                                             : (x)))

#define TLR_CALL_VALUES(site_, category__, ...)                                          \
    do {                                                                                 \
        const union tlr_value tlr_values_[] = {{0} TLR_EACH(TLR_VALUE_OF, __VA_ARGS__)}; \
        tlr_log_call(site_, category__, tlr_values_ + 1);                                \
    } while (0)

static inline union tlr_value tlr_value_integer(int64_t x) {
    union tlr_value value;
    value.integer = x;
    return value;
}

static inline union tlr_value tlr_value_real(double x) {
    union tlr_value value;
    value.real = x;
    return value;
}

static inline union tlr_value tlr_value_pointer(const volatile void *x) {
    union tlr_value value;
    value.pointer = (const void *)x;
    return value;
}

#else

/* Never defined: the size of what they return is the tag. */
char (&tlr_tag_of(long long))[TLR_TAG_INTEGER];
char (&tlr_tag_of(unsigned long long))[TLR_TAG_INTEGER];
char (&tlr_tag_of(long))[TLR_TAG_INTEGER];
char (&tlr_tag_of(unsigned long))[TLR_TAG_INTEGER];
char (&tlr_tag_of(int))[TLR_TAG_INTEGER];
char (&tlr_tag_of(unsigned))[TLR_TAG_INTEGER];
char (&tlr_tag_of(double))[TLR_TAG_DOUBLE];
char (&tlr_tag_of(long double))[TLR_TAG_LONG_DOUBLE];
char (&tlr_tag_of(const char *))[TLR_TAG_STRING];
char (&tlr_tag_of(const volatile void *))[TLR_TAG_POINTER];

#define TLR_TAG_OF(x) , (unsigned char)sizeof(tlr_tag_of(x))
#define TLR_VALUE_OF(x) , (x)
#define TLR_CALL_VALUES(site_, category__, ...) \
    tlr_call_values(site_, category__ TLR_EACH(TLR_VALUE_OF, __VA_ARGS__))

#define TLR_VALUE_FROM(type, member, expression)     \
    static inline tlr_value tlr_value_from(type x) { \
        tlr_value value;                             \
        value.member = expression;                   \
        return value;                                \
    }
TLR_VALUE_FROM(long long, integer, (int64_t)x)
TLR_VALUE_FROM(unsigned long long, integer, (int64_t)x)
TLR_VALUE_FROM(long, integer, (int64_t)x)
TLR_VALUE_FROM(unsigned long, integer, (int64_t)x)
TLR_VALUE_FROM(int, integer, (int64_t)x)
TLR_VALUE_FROM(unsigned, integer, (int64_t)x)
TLR_VALUE_FROM(double, real, x)
TLR_VALUE_FROM(const long double &, pointer, &x)
#undef TLR_VALUE_FROM
static inline tlr_value tlr_value_from(const volatile void *x) {
    tlr_value value;
    value.pointer = const_cast<const void *>(x);
    return value;
}

template <typename... Arguments>
static inline void tlr_call_values(const tlr_site *site, tlr_category *category,
                                   const Arguments &...arguments) {
    const tlr_value values[] = {tlr_value{0}, tlr_value_from(arguments)...};
    tlr_log_call(site, category, values + 1);
}

#endif

/* TLR_EACH(m, format, a, b) is m(a) m(b): the format is passed over. */
#define TLR_FIRST(first, ...) first
#define TLR_EACH(m, ...)                                                                           \
    TLR_EACH_PICK(__VA_ARGS__, TLR_E32, TLR_E31, TLR_E30, TLR_E29, TLR_E28, TLR_E27, TLR_E26,      \
                  TLR_E25, TLR_E24, TLR_E23, TLR_E22, TLR_E21, TLR_E20, TLR_E19, TLR_E18, TLR_E17, \
                  TLR_E16, TLR_E15, TLR_E14, TLR_E13, TLR_E12, TLR_E11, TLR_E10, TLR_E9, TLR_E8,   \
                  TLR_E7, TLR_E6, TLR_E5, TLR_E4, TLR_E3, TLR_E2, TLR_E1, TLR_E0, 0)               \
    (m, __VA_ARGS__, 0)
#define TLR_EACH_PICK(f, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16,  \
                      a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, \
                      a32, pick, ...)                                                            \
    pick
#define TLR_E0(m, f, ...)
#define TLR_E1(m, f, a, ...) m(a) TLR_E0(m, f, __VA_ARGS__)
#define TLR_E2(m, f, a, ...) m(a) TLR_E1(m, f, __VA_ARGS__)
#define TLR_E3(m, f, a, ...) m(a) TLR_E2(m, f, __VA_ARGS__)
#define TLR_E4(m, f, a, ...) m(a) TLR_E3(m, f, __VA_ARGS__)
#define TLR_E5(m, f, a, ...) m(a) TLR_E4(m, f, __VA_ARGS__)
#define TLR_E6(m, f, a, ...) m(a) TLR_E5(m, f, __VA_ARGS__)
#define TLR_E7(m, f, a, ...) m(a) TLR_E6(m, f, __VA_ARGS__)
#define TLR_E8(m, f, a, ...) m(a) TLR_E7(m, f, __VA_ARGS__)
#define TLR_E9(m, f, a, ...) m(a) TLR_E8(m, f, __VA_ARGS__)
#define TLR_E10(m, f, a, ...) m(a) TLR_E9(m, f, __VA_ARGS__)
#define TLR_E11(m, f, a, ...) m(a) TLR_E10(m, f, __VA_ARGS__)
#define TLR_E12(m, f, a, ...) m(a) TLR_E11(m, f, __VA_ARGS__)
#define TLR_E13(m, f, a, ...) m(a) TLR_E12(m, f, __VA_ARGS__)
#define TLR_E14(m, f, a, ...) m(a) TLR_E13(m, f, __VA_ARGS__)
#define TLR_E15(m, f, a, ...) m(a) TLR_E14(m, f, __VA_ARGS__)
#define TLR_E16(m, f, a, ...) m(a) TLR_E15(m, f, __VA_ARGS__)
#define TLR_E17(m, f, a, ...) m(a) TLR_E16(m, f, __VA_ARGS__)
#define TLR_E18(m, f, a, ...) m(a) TLR_E17(m, f, __VA_ARGS__)
#define TLR_E19(m, f, a, ...) m(a) TLR_E18(m, f, __VA_ARGS__)
#define TLR_E20(m, f, a, ...) m(a) TLR_E19(m, f, __VA_ARGS__)
#define TLR_E21(m, f, a, ...) m(a) TLR_E20(m, f, __VA_ARGS__)
#define TLR_E22(m, f, a, ...) m(a) TLR_E21(m, f, __VA_ARGS__)
#define TLR_E23(m, f, a, ...) m(a) TLR_E22(m, f, __VA_ARGS__)
#define TLR_E24(m, f, a, ...) m(a) TLR_E23(m, f, __VA_ARGS__)
#define TLR_E25(m, f, a, ...) m(a) TLR_E24(m, f, __VA_ARGS__)
#define TLR_E26(m, f, a, ...) m(a) TLR_E25(m, f, __VA_ARGS__)
#define TLR_E27(m, f, a, ...) m(a) TLR_E26(m, f, __VA_ARGS__)
#define TLR_E28(m, f, a, ...) m(a) TLR_E27(m, f, __VA_ARGS__)
#define TLR_E29(m, f, a, ...) m(a) TLR_E28(m, f, __VA_ARGS__)
#define TLR_E30(m, f, a, ...) m(a) TLR_E29(m, f, __VA_ARGS__)
#define TLR_E31(m, f, a, ...) m(a) TLR_E30(m, f, __VA_ARGS__)
#define TLR_E32(m, f, a, ...) m(a) TLR_E31(m, f, __VA_ARGS__)

#endif
