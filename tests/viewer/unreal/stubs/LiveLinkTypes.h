#pragma once

#include "CoreMinimal.h"
#include "Misc/QualifiedFrameTime.h"

class UScriptStruct;

struct FLiveLinkSubjectName
{
	FName Name;
	FLiveLinkSubjectName() = default;
	FLiveLinkSubjectName(FName InName);
	bool IsNone() const;
};
struct FLiveLinkSubjectKey
{
	FGuid Source;
	FLiveLinkSubjectName SubjectName;
	FLiveLinkSubjectKey(FGuid InSource, FName InSubjectName);
};
struct FLiveLinkWorldTime
{
	FLiveLinkWorldTime();
	FLiveLinkWorldTime(const double InTime);
};
struct FLiveLinkMetaData
{
	TMap<FName, FString> StringMetaData;
	FQualifiedFrameTime SceneTime;
};
struct FLiveLinkBaseStaticData
{
	static UScriptStruct* StaticStruct();
	TArray<FName> PropertyNames;
};
struct FLiveLinkBaseFrameData
{
	static UScriptStruct* StaticStruct();
	FLiveLinkWorldTime WorldTime;
	FLiveLinkMetaData MetaData;
	TArray<float> PropertyValues;
};

template <typename BaseType>
class FLiveLinkBaseDataStruct
{
public:
	FLiveLinkBaseDataStruct() = default;
	FLiveLinkBaseDataStruct(const UScriptStruct* InType);
	FLiveLinkBaseDataStruct(FLiveLinkBaseDataStruct&& InOther);
	template <typename Type>
	Type* Cast();
	template <typename Type>
	const Type* Cast() const;
};
using FLiveLinkStaticDataStruct = FLiveLinkBaseDataStruct<FLiveLinkBaseStaticData>;
using FLiveLinkFrameDataStruct = FLiveLinkBaseDataStruct<FLiveLinkBaseFrameData>;

struct FLiveLinkSubjectFrameData
{
	FLiveLinkStaticDataStruct StaticData;
	FLiveLinkFrameDataStruct FrameData;
};
