/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Models: an ONNX file becomes one command of the card.
 */
#ifndef ACCEL_C_MODEL_H
#define ACCEL_C_MODEL_H

#include "accel/c/queue.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A model that is compiled for a card, with its weights on the card. Released by
 * accel_model_free().
 *
 * Thread-safety: any thread, each with its own queue.
 */
typedef struct accel_model_t accel_model_t;

/** The outputs of accel_model_run(). Released by accel_results_free(). */
typedef struct accel_results_t accel_results_t;

/**
 * A tensor, dense and in row-major order, or the description of one (`data` is NULL then). All
 * pointers belong to the owner of the tensor: the caller for a parameter, the model or the results
 * for a tensor that a function fills.
 */
typedef struct accel_tensor_t {
    uint32_t size;        /**< sizeof(accel_tensor_t) */
    uint32_t type;        /**< ACCEL_DTYPE_* */
    const char *name;     /**< of the input or the output of the model */
    const int64_t *shape; /**< in the order of ONNX; -1: each run decides this dimension */
    uint64_t rank;        /**< number of dimensions */
    const void *data;
    uint64_t bytes; /**< of all elements; 0 if a dimension is open */
} accel_tensor_t;

/** The length of a dimension that the model names. */
typedef struct accel_dimension_t {
    const char *name;
    int64_t length;
} accel_dimension_t;

/** Lengths that a model leaves open: of dimensions by name, and shapes of inputs (name, rank and
 * shape count). A length that is missing is that of the first shape, or 1 for a batch. */
typedef struct accel_model_shape_t {
    uint32_t size;     /**< sizeof(accel_model_shape_t) */
    uint32_t reserved; /**< 0 */
    const accel_dimension_t *dimensions;
    uint64_t dimension_count;
    const accel_tensor_t *inputs;
    uint64_t input_count;
} accel_model_shape_t;

typedef struct accel_model_options_t {
    uint32_t size;            /**< sizeof(accel_model_options_t) */
    uint32_t allow_narrowing; /**< 1: f32 computes f64, and i64 computes u64 */
    uint32_t host_fallback;   /**< 1: the host computes nodes whose shapes depend on values */
    /** 1: only the dimensions of `open_dimensions` may have other lengths after the load. 0: all
     * that neither the file nor these options state. See accel_model_specialize(). */
    uint32_t lists_open;
    /** The length of a first dimension that the model leaves open. It also replaces a first
     * dimension of 1. 0: no length is given. */
    int64_t batch;
    const accel_dimension_t *dimensions;
    uint64_t dimension_count;
    /** Shapes of inputs, instead of those of the model: name, rank and shape count. */
    const accel_tensor_t *shapes;
    uint64_t shape_count;
    /** Inputs that are the same in every run. They are not inputs of the loaded model. */
    const accel_tensor_t *constants;
    uint64_t constant_count;
    const char *const *open_dimensions;
    uint64_t open_dimension_count;
    /** Shapes that are compiled at once, and stay compiled. Each has the same size. */
    const accel_model_shape_t *specializations;
    uint64_t specialization_count;
    uint64_t max_shapes; /**< most shapes besides these that stay compiled; 0: 16 */
} accel_model_options_t;

/**
 * Reads and compiles an ONNX file, or loads a compiled model that accel_model_save() wrote.
 * `options` may be NULL. The error names the file, the node, its operator and a remedy.
 */
ACCEL_C_API int accel_model_load(const accel_device_t *device, const char *file,
                                 const accel_model_options_t *options, accel_model_t **out,
                                 accel_error_t *error);

/**
 * The same for the content of a file: `bytes` bytes at `content`, which are not read any more when
 * the function returns. `folder` has the files of weights that the content names ("external data");
 * NULL: such weights are refused.
 */
ACCEL_C_API int accel_model_load_memory(const accel_device_t *device, const void *content,
                                        uint64_t bytes, const char *folder,
                                        const accel_model_options_t *options, accel_model_t **out,
                                        accel_error_t *error);

/**
 * The model for other lengths of its open dimensions. It uses the same weights, and is compiled at
 * the first call. accel_model_run() with inputs of another shape does this by itself. EINVAL for a
 * shape that the model cannot have. Released by accel_model_free().
 */
ACCEL_C_API int accel_model_specialize(const accel_model_t *model, const accel_model_shape_t *shape,
                                       accel_model_t **out, accel_error_t *error);

/** Writes the compiled model with its weights, in all shapes that are compiled. An existing file is replaced as a whole. */
ACCEL_C_API int accel_model_save(const accel_model_t *model, const char *file,
                                 accel_error_t *error);

/** Number of inputs; 0 for NULL. */
ACCEL_C_API size_t accel_model_input_count(const accel_model_t *model);

/** Number of outputs; 0 for NULL. */
ACCEL_C_API size_t accel_model_output_count(const accel_model_t *model);

/** Describes input `index`. EINVAL if there is none. */
ACCEL_C_API int accel_model_input(const accel_model_t *model, size_t index, accel_tensor_t *out,
                                  accel_error_t *error);

/** Describes output `index`. EINVAL if there is none. */
ACCEL_C_API int accel_model_output(const accel_model_t *model, size_t index, accel_tensor_t *out,
                                   accel_error_t *error);

/**
 * Submits the model as one command. `arguments` are the inputs and then the outputs, in the order
 * of the model, each a dense tensor. Nothing is copied. `job` may be NULL.
 */
ACCEL_C_API int accel_model_submit(const accel_model_t *model, accel_queue_t *queue,
                                   const accel_operand_t *arguments, size_t count,
                                   accel_job_t **job, accel_error_t *error);

/**
 * Copies the inputs to the card, runs the model, and waits. The inputs are in the order of the
 * model if none has a name; else each has one. `type` and `rank` may be 0: those of the model. The
 * shapes may be others where the model leaves dimensions open.
 */
ACCEL_C_API int accel_model_run(const accel_model_t *model, accel_queue_t *queue,
                                const accel_tensor_t *inputs, size_t count, accel_results_t **out,
                                accel_error_t *error);

ACCEL_C_API void accel_model_free(accel_model_t *model);

/** Number of outputs; 0 for NULL. */
ACCEL_C_API size_t accel_results_count(const accel_results_t *results);

/** Output `index` with its data. EINVAL if there is none. */
ACCEL_C_API int accel_results_get(const accel_results_t *results, size_t index,
                                  accel_tensor_t *out, accel_error_t *error);

ACCEL_C_API void accel_results_free(accel_results_t *results);

#ifdef __cplusplus
}
#endif

#endif
