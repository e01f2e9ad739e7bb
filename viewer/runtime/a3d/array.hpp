// Memory that says so when there is none left: nothing here throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

#if defined(_MSC_VER)
#define A3D_RESTRICT __restrict
#else
#define A3D_RESTRICT __restrict__
#endif

// Ask for memory that is soon read.
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <xmmintrin.h>
#define A3D_PREFETCH(address) _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0)
#elif defined(__GNUC__) || defined(__clang__)
#define A3D_PREFETCH(address) __builtin_prefetch(address)
#else
#define A3D_PREFETCH(address) static_cast<void>(address)
#endif

// Before a loop over the lanes of a block: GCC leaves it a loop at -O2, and its sums in memory; other compilers unroll it by themselves.
#if defined(__GNUC__) && !defined(__clang__)
#define A3D_UNROLL _Pragma("GCC unroll 16")
#else
#define A3D_UNROLL
#endif

namespace a3d {

// Bytes that every array begins at a multiple of: a cache line, and the widest vector of any processor.
constexpr std::size_t kAlignment = 64;

// Numbers of fixed count, zeros at first. Moved, not copied.
template <typename T>
class Array {
    static_assert(std::is_trivial<T>::value, "arrays hold plain numbers");

public:
    Array() = default;
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    Array(Array&& other) noexcept : data_(other.data_), size_(other.size_) {
        other.data_ = nullptr;
        other.size_ = 0;
    }
    Array& operator=(Array&& other) noexcept {
        if (this != &other) {
            release();
            data_ = other.data_;
            size_ = other.size_;
            other.data_ = nullptr;
            other.size_ = 0;
        }
        return *this;
    }
    ~Array() { release(); }

    // Whether there was room for `count` numbers; without room the array is empty.
    [[nodiscard]] bool allocate(std::size_t count) {
        release();
        if (count == 0) return true;
        if (count > SIZE_MAX / 2 / sizeof(T)) return false;
        void* memory = ::operator new(count * sizeof(T), std::align_val_t(kAlignment), std::nothrow);
        if (memory == nullptr) return false;
        std::memset(memory, 0, count * sizeof(T));
        data_ = static_cast<T*>(memory);
        size_ = count;
        return true;
    }

    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return size_; }
    T& operator[](std::size_t index) { return data_[index]; }
    const T& operator[](std::size_t index) const { return data_[index]; }

private:
    void release() {
        if (data_ != nullptr) ::operator delete(data_, std::align_val_t(kAlignment));
        data_ = nullptr;
        size_ = 0;
    }

    T* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace a3d
