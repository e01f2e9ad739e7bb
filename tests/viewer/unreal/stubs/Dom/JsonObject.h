#pragma once

#include "CoreMinimal.h"

class FJsonObject
{
public:
	bool TryGetStringField(const TCHAR* FieldName, FString& OutString) const;
	bool TryGetObjectField(const TCHAR* FieldName, const TSharedPtr<FJsonObject>*& OutObject) const;
};
