// SPDX-License-Identifier: Apache-2.0
#include "model_source.hpp"

#include "errors.hpp"

namespace accel::python {

ModelSource::ModelSource(const nb::object& model, const nb::object& folder)
    : has_content_(PyObject_CheckBuffer(model.ptr()) != 0) {
    if (has_content_) {
        if (!folder.is_none()) {
            path_ = nb::cast<PathArgument>(folder).get();
        }
        if (PyObject_GetBuffer(model.ptr(), &view_, PyBUF_SIMPLE) != 0) {
            nb::raise_python_error();
        }
        return;
    }
    if (!folder.is_none()) {
        refuse(
            "`folder` is for a model that is given as bytes: a file has its own folder, so "
            "leave `folder` out");
    }
    path_ = nb::cast<PathArgument>(model).get();
}

ModelSource::~ModelSource() {
    if (has_content_) {
        PyBuffer_Release(&view_);
    }
}

}  // namespace accel::python
