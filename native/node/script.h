// JavaScript's values, functions, classes and references, by Node-API.
//
// While a worker is being terminated, any call of Node-API can fail at any point and leave its result empty. The
// handles are node-addon-api's, but its conversions and constructors are not used: they end the whole process when
// a value is empty or an error cannot be made. The types here pass emptiness on instead: reading an empty value
// gives the default, and changing one does nothing. So nothing else in native/ calls Node-API to make, read or keep
// a value; test/repository/node-api.test.ts enforces that.

#ifndef SENTINEL_NODE_SCRIPT_H_
#define SENTINEL_NODE_SCRIPT_H_

#include <napi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sentinel {

// The memory of a typed array. Valid while JavaScript keeps the array; see Reference.
template <typename T>
struct View {
  T* data = nullptr;
  std::size_t size = 0;
};

// The length of a text.
struct TextSize {
  std::size_t units = 0;  // of UTF-16
  std::size_t bytes = 0;  // of UTF-8
};

// A value, or nothing. Returned from a function, nothing becomes `undefined`.
class Value {
 public:
  Value() = default;
  Value(napi_env env, napi_value value) : value_(env, value) {}

  static Value Null(napi_env env);
  static Value Number(napi_env env, double number);
  static Value Text(napi_env env, const std::string& text);
  static Value Object(napi_env env);
  static Value List(napi_env env);
  static Value Error(napi_env env, const std::string& message);
  static Value Callable(napi_env env, const char* name, napi_callback callback);

  napi_env env() const { return value_.Env(); }
  napi_value raw() const { return value_; }

  bool IsNumber() const { return value_.IsNumber(); }
  bool IsString() const { return value_.IsString(); }
  bool IsBoolean() const { return value_.IsBoolean(); }
  bool IsObject() const { return value_.IsObject(); }
  bool IsFunction() const { return value_.IsFunction(); }

  // The default for anything that is not of the type.
  double ToDouble() const;
  std::int32_t ToInt32() const;
  // A whole number: 0 for what is negative, NaN or beyond 2^53; a fraction is dropped.
  std::size_t ToSize() const;
  bool ToBoolean() const;
  std::string ToText() const;
  // Writes a text as UTF-8. Returns nullopt if this is not a text or might not fit: there must be room for three
  // bytes per UTF-16 unit and one more.
  std::optional<TextSize> WriteText(std::uint8_t* bytes, std::size_t room) const;
  // nullopt unless the value is a typed array of exactly this kind. For uint8_t, int32_t and uint32_t.
  template <typename T>
  std::optional<View<T>> ToView() const;

  Value Get(const char* name) const;
  Value At(std::uint32_t index) const;
  std::uint32_t Length() const;  // of an array; 0 for anything else
  void Set(const char* name, Value value) const;
  void Set(const char* name, double number) const { Set(name, Number(env(), number)); }
  void Set(const char* name, const std::string& text) const { Set(name, Text(env(), text)); }
  void Append(Value value) const;

 private:
  Napi::Value value_;
};

// One call of a native function: `this` and the arguments, undefined where not given.
class Invocation {
 public:
  static constexpr std::size_t kMostArguments = 6;

  Invocation(napi_env env, napi_callback_info info);

  napi_env env() const { return env_; }
  Value self() const { return {env_, self_}; }
  Value operator[](std::size_t index) const { return {env_, arguments_[index]}; }
  Value Number(double number) const { return Value::Number(env_, number); }

 private:
  napi_env env_;
  napi_value self_ = nullptr;
  std::array<napi_value, kMostArguments> arguments_{};
};

using Function = Value (*)(const Invocation& call);

template <Function function>
napi_value Enter(napi_env env, napi_callback_info info) {
  return function(Invocation(env, info)).raw();
}

template <Function function>
void Export(Value object, const char* name) {
  object.Set(name, Value::Callable(object.env(), name, Enter<function>));
}

// A class whose objects own a T. T has `static std::unique_ptr<T> Make(const Invocation&)`, which returns nullptr
// after it has thrown, and methods of the form `Value Method(const Invocation&)`.
template <typename T>
class ObjectClass {
 public:
  template <Value (T::*method)(const Invocation& call)>
  static napi_property_descriptor Method(const char* name) {
    return {name, nullptr, EnterMethod<method>, nullptr, nullptr, nullptr, napi_default, nullptr};
  }

  static void Export(Value exports, const char* name, std::initializer_list<napi_property_descriptor> methods) {
    napi_value made = nullptr;
    napi_define_class(exports.env(), name, NAPI_AUTO_LENGTH, Construct, nullptr, methods.size(), methods.begin(),
                      &made);
    exports.Set(name, {exports.env(), made});
  }

 private:
  static napi_value Construct(napi_env env, napi_callback_info info) {
    const Invocation call(env, info);
    std::unique_ptr<T> object = T::Make(call);
    if (object == nullptr) return nullptr;
    const napi_finalize finalize = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
    if (napi_wrap(env, call.self().raw(), object.get(), finalize, nullptr, nullptr) != napi_ok) return nullptr;
    object.release();  // NOLINT(bugprone-unused-return-value): the JavaScript object owns it now
    return call.self().raw();
  }

  // V8 itself refuses a call on an object of another class.
  template <Value (T::*method)(const Invocation& call)>
  static napi_value EnterMethod(napi_env env, napi_callback_info info) {
    const Invocation call(env, info);
    void* object = nullptr;
    if (napi_unwrap(env, call.self().raw(), &object) != napi_ok || object == nullptr) return nullptr;
    return (static_cast<T*>(object)->*method)(call).raw();
  }
};

// Keeps a value alive.
class Reference {
 public:
  Reference() = default;
  explicit Reference(Value value);
  Reference(Reference&& other) noexcept : env_(other.env_), reference_(std::exchange(other.reference_, nullptr)) {}
  Reference& operator=(Reference&& other) noexcept {
    std::swap(env_, other.env_);
    std::swap(reference_, other.reference_);
    return *this;
  }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference();

  Value Get() const;

 private:
  napi_env env_ = nullptr;
  napi_ref reference_ = nullptr;
};

// A JavaScript function that is called as the event loop would call it: microtasks run after it, and an exception
// that it throws is uncaught.
class Callback {
 public:
  Callback(Value function, const char* name);
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  ~Callback();

  // Returns false if the environment is ending, so that the function can no longer be called.
  bool Run(std::int32_t first, std::int32_t second) const;

 private:
  const napi_env env_;
  const Reference function_;
  napi_async_context context_ = nullptr;
};

// A promise, and the way to settle it, once.
class Deferred {
 public:
  explicit Deferred(napi_env env);

  napi_env env() const { return env_; }
  // Empty if the environment is ending.
  Value promise() const { return {env_, promise_}; }
  void Resolve(Value value) const;
  void Reject(Value error) const;

 private:
  napi_env env_;
  napi_value promise_ = nullptr;  // valid during the call that made it
  napi_deferred deferred_ = nullptr;
};

// Runs `work` on Node's thread pool, then `done` on the event loop. The environment does not end in between.
// Neither is called if the environment is ending already.
void RunOnPool(napi_env env, const char* name, std::function<void()> work, std::function<void()> done);

// Ends the call with an exception, which JavaScript sees when the function returns.
void ThrowValue(Value error);
// Throws a TypeError for arguments that this package's TypeScript never passes.
void ThrowMisuse(napi_env env, const char* message);

}  // namespace sentinel

#endif  // SENTINEL_NODE_SCRIPT_H_
