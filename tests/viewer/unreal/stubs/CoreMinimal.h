// Signatures of Unreal Engine 5.4 that the plugin uses, as its documentation gives them, without what they do: for checking the plugin's syntax and types.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <type_traits>
#include <utility>

using uint8 = std::uint8_t;
using int16 = std::int16_t;
using int32 = std::int32_t;
using uint32 = std::uint32_t;
using int64 = std::int64_t;
using TCHAR = wchar_t;

#define STUB_WIDE(Literal) L##Literal
#define TEXT(Literal) STUB_WIDE(Literal)
#define UTF8_TO_TCHAR(Text) ::StubConvert(Text)
#define INDEX_NONE (-1)
#define MAX_int32 (static_cast<int32>(0x7fffffff))
#define UCLASS(...)
#define USTRUCT(...)
#define UENUM(...)
#define UPROPERTY(...)
#define UFUNCTION(...)
#define STUB_COMBINE_INNER(A, B, C) A##B##C
#define STUB_COMBINE(A, B, C) STUB_COMBINE_INNER(A, B, C)
// As Unreal's header tool has it: each *.generated.h names its file and defines a body for each line that asks for one.
#define GENERATED_BODY() STUB_COMBINE(CURRENT_FILE_ID, _, __LINE__)
#define THIRD_PARTY_INCLUDES_START
#define THIRD_PARTY_INCLUDES_END
#define AVATAR3D_API
#define AVATAR3DEDITOR_API
#define UE_SOURCE_LOCATION TEXT("here")
#define LOCTEXT(Key, Text) ::FText::Localised(TEXT(LOCTEXT_NAMESPACE), TEXT(Key), TEXT(Text))

const TCHAR* StubConvert(const char* Text);

template <typename T>
std::remove_reference_t<T>&& MoveTemp(T&& Value)
{
	return static_cast<std::remove_reference_t<T>&&>(Value);
}

enum class ESPMode : uint8 { NotThreadSafe, ThreadSafe };
enum EObjectFlags : int32 { RF_NoFlags = 0, RF_Public = 1, RF_Standalone = 2 };
inline EObjectFlags operator|(EObjectFlags A, EObjectFlags B) { return static_cast<EObjectFlags>(static_cast<int32>(A) | static_cast<int32>(B)); }

class FString
{
public:
	FString() = default;
	FString(const TCHAR* Text);
	const TCHAR* operator*() const;
	bool IsEmpty() const;
	bool operator==(const FString& Other) const;
	friend FString operator+(const FString& A, const TCHAR* B);
	friend FString operator+(const FString& A, const FString& B);
};

enum EFindName { FNAME_Find, FNAME_Add };

class FName
{
public:
	FName() = default;
	explicit FName(const TCHAR* Text, EFindName FindType = FNAME_Add);
	bool IsNone() const;
	FString ToString() const;
	bool operator==(const FName& Other) const;
};

class FText
{
public:
	static FText FromString(const FString& Text);
	static FText Localised(const TCHAR* Namespace, const TCHAR* Key, const TCHAR* Text);
	FString ToString() const;
};

struct FGuid {};

struct FTimespan
{
	static FTimespan FromMilliseconds(double Milliseconds);
};

struct FMath
{
	template <typename T>
	static T Max(const T A, const T B) { return B < A ? A : B; }
};

struct FVector
{
	FVector() = default;
	FVector(double InX, double InY, double InZ);
};
struct FQuat
{
	FQuat() = default;
	FQuat(double InX, double InY, double InZ, double InW);
};
struct FTransform
{
	FTransform() = default;
	FTransform(const FQuat& InRotation, const FVector& InTranslation);
};
struct FLinearColor
{
	FLinearColor() = default;
	FLinearColor(float InR, float InG, float InB, float InA = 1.0f);
};

template <typename T>
class TArray
{
public:
	TArray() = default;
	TArray(const T* Ptr, int32 Count);
	int32 Num() const;
	T* GetData();
	const T* GetData() const;
	T& operator[](int32 Index);
	const T& operator[](int32 Index) const;
	int32 Add(const T& Item);
	void Reserve(int32 Number);
	void Reset(int32 NewSize = 0);
	void Init(const T& Element, int32 Number);
	void SetNumZeroed(int32 NewNum);
	void SetNumUninitialized(int32 NewNum);
	int32 Find(const T& Item) const;
	bool operator==(const TArray& Other) const;
	T* begin();
	T* end();
};

template <typename K, typename V>
class TMap
{
public:
	V& Add(const K& Key, const V& Value);
	V* Find(const K& Key);
	const V* Find(const K& Key) const;
};

template <typename T, ESPMode Mode = ESPMode::ThreadSafe>
class TSharedRef
{
public:
	template <typename U, typename = std::enable_if_t<std::is_convertible_v<U*, T*>>>
	TSharedRef(const TSharedRef<U, Mode>& Other);
	TSharedRef(const TSharedRef&) = default;
	T& Get() const;
	T* operator->() const;
	T& operator*() const;
	explicit TSharedRef(T* Object);
};

template <typename T, ESPMode Mode = ESPMode::ThreadSafe>
class TSharedPtr
{
public:
	TSharedPtr() = default;
	TSharedPtr(std::nullptr_t) {}
	template <typename U, typename = std::enable_if_t<std::is_convertible_v<U*, T*>>>
	TSharedPtr(const TSharedRef<U, Mode>& Other);
	template <typename U, typename = std::enable_if_t<std::is_convertible_v<U*, T*>>>
	TSharedPtr(const TSharedPtr<U, Mode>& Other);
	bool IsValid() const;
	T* Get() const;
	T* operator->() const;
	T& operator*() const;
	void Reset();
};

template <typename T, ESPMode Mode = ESPMode::ThreadSafe, typename... Arguments>
TSharedRef<T, Mode> MakeShared(Arguments&&... Given)
{
	return TSharedRef<T, Mode>(new T(std::forward<Arguments>(Given)...));
}

class UClass;
class UPackage;

class UObject
{
public:
	virtual ~UObject() = default;
	static UClass* StaticClass();
	FString GetPathName() const;
	void ClearFlags(EObjectFlags Flags);
	void MarkAsGarbage();
};

template <typename T>
class TObjectPtr
{
public:
	TObjectPtr() = default;
	TObjectPtr(T* Object);
	template <typename U, typename = std::enable_if_t<std::is_convertible_v<U*, T*>>>
	TObjectPtr(const TObjectPtr<U>& Other);
	operator T*() const;
	T* operator->() const;
	T& operator*() const;
};

template <typename T>
class TWeakObjectPtr
{
public:
	TWeakObjectPtr() = default;
	explicit TWeakObjectPtr(T* Object);
	bool IsValid() const;
	T* operator->() const;
};

template <typename T>
class TSubclassOf
{
public:
	TSubclassOf(UClass* Class);
};

template <typename T>
T* NewObject(UObject* Outer = nullptr);
template <typename T>
T* NewObject(UObject* Outer, const UClass* Class, FName Name, EObjectFlags Flags);

namespace ELogVerbosity
{
	enum Type : uint8 { Error, Warning, Log, All };
}
