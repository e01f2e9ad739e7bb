#pragma once

#include "CoreMinimal.h"

struct FStubLogCategory {};

template <typename... Arguments>
void StubLog(const FStubLogCategory& Category, ELogVerbosity::Type Verbosity, const TCHAR* Text, Arguments... Given);

#define DECLARE_LOG_CATEGORY_EXTERN(Name, Default, Compiled) extern FStubLogCategory Name
#define DEFINE_LOG_CATEGORY(Name) FStubLogCategory Name
#define UE_LOG(Category, Verbosity, Text, ...) ::StubLog(Category, ELogVerbosity::Verbosity, Text __VA_OPT__(, ) __VA_ARGS__)
#define UE_CLOG(Condition, Category, Verbosity, Text, ...) \
	if (Condition) \
	{ \
		UE_LOG(Category, Verbosity, Text __VA_OPT__(, ) __VA_ARGS__); \
	}
