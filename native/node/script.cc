#include "node/script.h"

namespace sentinel {
namespace {

constexpr double kMostWhole = 9007199254740992.0;  // 2^53

template <typename T>
constexpr napi_typedarray_type kArrayType = napi_uint8_array;
template <>
constexpr napi_typedarray_type kArrayType<std::int32_t> = napi_int32_array;
template <>
constexpr napi_typedarray_type kArrayType<std::uint32_t> = napi_uint32_array;

}  // namespace

// Each result is nullptr before the call, and stays nullptr if the call fails.

Value Value::Null(napi_env env) {
  napi_value made = nullptr;
  napi_get_null(env, &made);
  return {env, made};
}

Value Value::Number(napi_env env, double number) {
  napi_value made = nullptr;
  napi_create_double(env, number, &made);
  return {env, made};
}

Value Value::Text(napi_env env, const std::string& text) {
  napi_value made = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &made);
  return {env, made};
}

Value Value::Object(napi_env env) {
  napi_value made = nullptr;
  napi_create_object(env, &made);
  return {env, made};
}

Value Value::List(napi_env env) {
  napi_value made = nullptr;
  napi_create_array(env, &made);
  return {env, made};
}

Value Value::Error(napi_env env, const std::string& message) {
  napi_value made = nullptr;
  napi_create_error(env, nullptr, Text(env, message).raw(), &made);
  return {env, made};
}

Value Value::Callable(napi_env env, const char* name, napi_callback callback) {
  napi_value made = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &made);
  return {env, made};
}

double Value::ToDouble() const {
  double number = 0;
  if (!value_.IsEmpty()) napi_get_value_double(value_.Env(), value_, &number);
  return number;
}

std::int32_t Value::ToInt32() const {
  std::int32_t number = 0;
  if (!value_.IsEmpty()) napi_get_value_int32(value_.Env(), value_, &number);
  return number;
}

std::size_t Value::ToSize() const {
  const double number = ToDouble();
  return number > 0 && number < kMostWhole ? static_cast<std::size_t>(number) : 0;
}

bool Value::ToBoolean() const {
  bool boolean = false;
  if (!value_.IsEmpty()) napi_get_value_bool(value_.Env(), value_, &boolean);
  return boolean;
}

std::string Value::ToText() const {
  std::size_t size = 0;
  if (value_.IsEmpty() || napi_get_value_string_utf8(value_.Env(), value_, nullptr, 0, &size) != napi_ok) return {};
  std::string text(size + 1, '\0');  // with room for the NUL that is written behind it
  if (napi_get_value_string_utf8(value_.Env(), value_, text.data(), text.size(), &size) != napi_ok) return {};
  text.resize(size);
  return text;
}

std::optional<TextSize> Value::WriteText(std::uint8_t* bytes, std::size_t room) const {
  TextSize size;
  char* const text = reinterpret_cast<char*>(bytes);
  // Node-API silently truncates a text that does not fit. It writes a NUL at the end.
  if (value_.IsEmpty() || napi_get_value_string_utf16(value_.Env(), value_, nullptr, 0, &size.units) != napi_ok ||
      room / 3 < size.units || room <= size.units * 3 ||
      napi_get_value_string_utf8(value_.Env(), value_, text, room, &size.bytes) != napi_ok) {
    return std::nullopt;
  }
  return size;
}

template <typename T>
std::optional<View<T>> Value::ToView() const {
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  std::size_t size = 0;
  if (value_.IsEmpty() ||
      napi_get_typedarray_info(value_.Env(), value_, &type, &size, &data, nullptr, nullptr) != napi_ok ||
      type != kArrayType<T>) {
    return std::nullopt;
  }
  return View<T>{static_cast<T*>(data), size};
}
template std::optional<View<std::uint8_t>> Value::ToView() const;
template std::optional<View<std::int32_t>> Value::ToView() const;
template std::optional<View<std::uint32_t>> Value::ToView() const;

Value Value::Get(const char* name) const {
  napi_value found = nullptr;
  if (!value_.IsEmpty()) napi_get_named_property(value_.Env(), value_, name, &found);
  return {value_.Env(), found};
}

Value Value::At(std::uint32_t index) const {
  napi_value found = nullptr;
  if (!value_.IsEmpty()) napi_get_element(value_.Env(), value_, index, &found);
  return {value_.Env(), found};
}

std::uint32_t Value::Length() const {
  std::uint32_t length = 0;
  if (!value_.IsEmpty()) napi_get_array_length(value_.Env(), value_, &length);
  return length;
}

void Value::Set(const char* name, Value value) const {
  if (!value_.IsEmpty() && !value.value_.IsEmpty())
    napi_set_named_property(value_.Env(), value_, name, value.value_);
}

void Value::Append(Value value) const {
  if (!value_.IsEmpty() && !value.value_.IsEmpty()) napi_set_element(value_.Env(), value_, Length(), value.value_);
}

Invocation::Invocation(napi_env env, napi_callback_info info) : env_(env) {
  std::size_t count = kMostArguments;
  napi_get_cb_info(env, info, &count, arguments_.data(), &self_, nullptr);
}

Reference::Reference(Value value) : env_(value.env()) {
  if (value.raw() != nullptr) napi_create_reference(env_, value.raw(), 1, &reference_);
}

Reference::~Reference() {
  if (reference_ != nullptr) napi_delete_reference(env_, reference_);
}

Value Reference::Get() const {
  napi_value found = nullptr;
  if (reference_ != nullptr) napi_get_reference_value(env_, reference_, &found);
  return {env_, found};
}

Callback::Callback(Value function, const char* name) : env_(function.env()), function_(function) {
  napi_async_init(env_, nullptr, Value::Text(env_, name).raw(), &context_);
}

Callback::~Callback() {
  if (context_ != nullptr) napi_async_destroy(env_, context_);
}

bool Callback::Run(std::int32_t first, std::int32_t second) const {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return false;
  napi_value arguments[2] = {};
  napi_value returned = nullptr;
  napi_create_int32(env_, first, &arguments[0]);
  napi_create_int32(env_, second, &arguments[1]);
  const napi_value function = function_.Get().raw();
  const napi_status status = napi_make_callback(env_, context_, function, function, 2, arguments, &returned);
  bool called = status == napi_ok;
  if (status == napi_pending_exception) {
    napi_value error = nullptr;
    called =
        napi_get_and_clear_last_exception(env_, &error) == napi_ok && napi_fatal_exception(env_, error) == napi_ok;
  }
  napi_close_handle_scope(env_, scope);
  return called;
}

void ThrowValue(Value error) {
  if (error.raw() != nullptr) napi_throw(error.env(), error.raw());
}

void ThrowMisuse(napi_env env, const char* message) { napi_throw_type_error(env, nullptr, message); }

Deferred::Deferred(napi_env env) : env_(env) {
  if (napi_create_promise(env, &deferred_, &promise_) != napi_ok) deferred_ = nullptr;
}

void Deferred::Resolve(Value value) const {
  napi_value undefined = value.raw();
  if (undefined == nullptr) napi_get_undefined(env_, &undefined);
  if (deferred_ != nullptr && undefined != nullptr) napi_resolve_deferred(env_, deferred_, undefined);
}

void Deferred::Reject(Value error) const {
  if (deferred_ != nullptr && error.raw() != nullptr) napi_reject_deferred(env_, deferred_, error.raw());
}

namespace {

struct PoolWork {
  std::function<void()> work;
  std::function<void()> done;
  napi_async_work handle = nullptr;
};

void ExecuteWork(napi_env /*env*/, void* data) { static_cast<PoolWork*>(data)->work(); }

void CompleteWork(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<PoolWork> pool_work(static_cast<PoolWork*>(data));
  if (status == napi_ok) pool_work->done();
  napi_delete_async_work(env, pool_work->handle);
}

}  // namespace

void RunOnPool(napi_env env, const char* name, std::function<void()> work, std::function<void()> done) {
  auto pool_work = std::make_unique<PoolWork>(PoolWork{std::move(work), std::move(done)});
  const Value resource = Value::Text(env, name);
  if (resource.raw() == nullptr || napi_create_async_work(env, nullptr, resource.raw(), ExecuteWork, CompleteWork,
                                                          pool_work.get(), &pool_work->handle) != napi_ok) {
    return;
  }
  if (napi_queue_async_work(env, pool_work->handle) != napi_ok) {
    napi_delete_async_work(env, pool_work->handle);
    return;
  }
  pool_work.release();  // NOLINT(bugprone-unused-return-value): CompleteWork owns it now
}

}  // namespace sentinel
